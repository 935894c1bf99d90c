find("main").innerHTML = `
  <label>Choose an image, or drop one here <input type="file" accept="image/*"></label>
  <canvas role="img" aria-label="The chosen image, with its mask" hidden></canvas>`;

async function take(file) {
  const canvas = find("canvas"), context = canvas.getContext("2d");
  canvas.hidden = true;
  const found = await ask(file);
  if (!found) return;
  show("", Object.entries(found.shares));
  const image = Object.assign(new Image(), { src: URL.createObjectURL(file) });
  const mask = Object.assign(new Image(), { src: found.mask });
  await Promise.all([image.decode(), mask.decode()]);
  Object.assign(canvas, { width: image.width, height: image.height, hidden: false });
  context.drawImage(image, 0, 0);
  context.globalAlpha = 0.5;
  context.drawImage(mask, 0, 0); // its numbers have colors
}

find("input").onchange = (event) => take(event.target.files[0]);
document.ondragover = document.ondrop = (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
};
