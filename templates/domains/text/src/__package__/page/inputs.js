find("main").innerHTML = `
  <form>
    <label>A text <textarea name="text" rows="5" required></textarea></label>
    <button>Predict</button>
  </form>`;

find("form").onsubmit = async (event) => {
  event.preventDefault();
  const found = await ask(find("textarea").value);
  const said = found?.label ?? found?.labels?.join(", ") ?? "";
  if (found) show(said, Object.entries(found.scores ?? found.values), found.scores);
};
