find("main").innerHTML = "<form><button>Predict</button></form>";

find("form").onsubmit = async (event) => {
  event.preventDefault();
  const found = await ask(Object.fromEntries(new FormData(find("form"))));
  const odd = found?.unknown ? `(not understood: ${found.unknown.join(", ")})` : "";
  const said = [found?.label ?? found?.labels?.join(", "), odd].filter(Boolean).join(" ");
  if (found) show(said, Object.entries(found.scores ?? found.values), found.scores);
};

fetch("metadata").then((response) => response.json()).then(({ inputs }) => {
  for (const [name, known] of Object.entries(inputs)) {
    const label = document.createElement("label");
    const field = document.createElement(known.length ? "select" : "input");
    field.name = name;
    if (known.length) field.append(...["", ...known].map((each) => new Option(each, each)));
    label.append(name, field);
    label.style = "display: flex; justify-content: space-between";
    find("button").before(label);
  }
});
