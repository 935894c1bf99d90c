find("main").innerHTML = `
  <label>Choose an image, or drop one here <input type="file" accept="image/*"></label>
  <img alt="The chosen image" hidden>`;

async function take(file) {
  Object.assign(find("img"), { src: URL.createObjectURL(file), hidden: false });
  const found = await ask(file);
  const said = found?.label ?? found?.labels?.join(", ") ?? "";
  if (found) show(said, Object.entries(found.scores ?? found.values), found.scores);
}

find("input").onchange = (event) => take(event.target.files[0]);
document.ondragover = document.ondrop = (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
};
