find("main").innerHTML = `
  <label>Choose an image, or drop one here <input type="file" accept="image/*"></label>
  <canvas role="img" aria-label="The chosen image, with what is found" hidden></canvas>`;

async function take(file) {
  const canvas = find("canvas"), context = canvas.getContext("2d");
  canvas.hidden = true;
  const found = await ask(file);
  if (!found) return;
  show(found.boxes.length ? "" : "Nothing is found", found.boxes.map((box) => [box.label, box.score]));
  const image = Object.assign(new Image(), { src: URL.createObjectURL(file) });
  await image.decode();
  const scale = Math.max(1, 1200 / image.width); // of a small image titles would be as large as it
  Object.assign(canvas, { width: image.width * scale, height: image.height * scale, hidden: false });
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const size = canvas.width / 36;
  Object.assign(context, { strokeStyle: "orange", fillStyle: "orange", lineWidth: size / 8 });
  context.font = `${size}px sans-serif`;
  for (const { label, score, bbox } of found.boxes) {
    const [left, top, width, height] = bbox.map((side) => side * scale);
    context.strokeRect(left, top, width, height);
    context.fillText(`${label} ${(100 * score).toFixed()}%`, left, Math.max(top - size / 4, size));
  }
}

find("input").onchange = (event) => take(event.target.files[0]);
document.ondragover = document.ondrop = (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
};
