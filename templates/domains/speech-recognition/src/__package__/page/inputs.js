find("main").innerHTML = `
  <label>Choose a sound, or drop one here <input type="file" accept="audio/*"></label>
  <button>Record</button>
  <audio controls aria-label="The chosen sound" hidden></audio>`;

async function take(file) {
  Object.assign(find("audio"), { src: URL.createObjectURL(file), hidden: false });
  const found = await ask(file);
  if (found) show(found.text || "Nothing is heard");
}

find("input").onchange = (event) => take(event.target.files[0]);
document.ondragover = document.ondrop = (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
};

function wav(sound) { // 16 bits, one channel: the server cannot read what browsers record
  const samples = sound.getChannelData(0), rate = sound.sampleRate, size = 2 * samples.length;
  const head = [0x46464952, 36 + size, 0x45564157, 0x20746d66, 16, 0x10001, rate, 2 * rate, 0x100002];
  const data = Int16Array.from(samples, (x) => 32767 * Math.max(-1, Math.min(1, x)));
  return new File([Int32Array.of(...head, 0x61746164, size), data], "recording.wav");
}

const button = find("button");
button.hidden = !navigator.mediaDevices; // browsers record on https and on this machine alone
button.onclick = async () => {
  if (button.recorder) return button.recorder.stop();
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    button.recorder = new MediaRecorder(stream);
    button.recorder.start();
    button.textContent = "Stop";
    const { data } = await new Promise((done) => (button.recorder.ondataavailable = done));
    stream.getTracks().forEach((track) => track.stop());
    take(wav(await new OfflineAudioContext(1, 1, 48000).decodeAudioData(await data.arrayBuffer())));
  } catch (error) {
    show(`Not recorded: ${error.message}`);
  }
  button.textContent = "Record";
  button.recorder = null;
};
