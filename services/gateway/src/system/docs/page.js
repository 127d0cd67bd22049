// Shows /openapi.json. Everything is put in as text, never as markup.
const main = document.getElementById("operations");
const filter = document.getElementById("filter");

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function block(title, value) {
  return value ? [element("h4", title), element("pre", JSON.stringify(value, null, 2))] : [];
}

function describe(method, path, operation) {
  const line = element("summary", "", element("b", method.toUpperCase()), element("code", path));
  line.append(` ${operation.summary ?? ""}`);
  const access = operation.security?.length
    ? (operation["x-permission"] ?? "a session")
    : "nothing: open to guests";
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const details = element("details", "", line, element("p", `Needs ${access}.`));
  if (operation.description) details.append(element("p", operation.description));
  details.append(...block("Parameters", operation.parameters?.length ? operation.parameters : null));
  details.append(...block("Request", body), ...block("Responses", operation.responses));
  details.dataset.words = `${method} ${path} ${operation.summary}`.toLowerCase();
  return details;
}

async function show() {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(String(answer.status));
  const { paths } = await answer.json();
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => describe(method, path, operation)),
  );
  main.replaceChildren(...operations);
}

filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase();
  for (const operation of main.children) operation.hidden = !operation.dataset.words?.includes(words);
});

show().catch(() =>
  main.replaceChildren(element("p", "The document could not be loaded. Try again shortly.")),
);
