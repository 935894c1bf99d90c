find("main").innerHTML = `
  <form>
    <label>A text <textarea name="text" rows="5" required></textarea></label>
    <button>Predict</button>
  </form>
  <p id="found"></p>`;

find("form").onsubmit = async (event) => {
  event.preventDefault();
  const text = find("textarea").value, characters = [...text]; // not halves of them
  find("#found").replaceChildren();
  const found = await ask(text);
  if (!found) return;
  const parts = found.words?.map((word, place) => [word, found.tags[place]]) ?? [];
  let done = 0;
  for (const { label, start, end } of found.spans ?? []) {
    parts.push([characters.slice(done, start).join(""), ""], [characters.slice(start, end).join(""), label]);
    done = end;
  }
  if (found.spans) parts.push([characters.slice(done).join(""), ""]);
  for (const [said, label] of parts) {
    const part = document.createElement(label && label !== "O" ? "mark" : "span");
    part.append(said, part.localName === "mark" ? ` ${label}` : "");
    find("#found").append(part, " ");
  }
  show(find("mark") ? "" : "Nothing is found");
};
