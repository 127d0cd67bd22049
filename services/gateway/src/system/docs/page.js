// Reads /openapi.json and lets one try it. Everything is put in as text, never as markup.
const SHOWN_CHARACTERS = 200_000;
const byId = (id) => document.getElementById(id);
const main = byId("operations");
let spec = {};

/** An element with properties, its texts and its children. */
function make(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** What a `$ref` of the document points at; anything else is itself. */
function resolved(value) {
  if (!value?.$ref) return value;
  return value.$ref
    .slice(2)
    .split("/")
    .reduce((node, key) => node[key], spec);
}

/** A schema as a reader of TypeScript reads it. */
function typeText(schema, indent = "") {
  if (!schema) return "nothing";
  if (schema.$ref) return schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const parts = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (parts) return parts.map((part) => typeText(part, indent)).join(schema.allOf ? " & " : " | ");
  if (schema.contentMediaType) return "file";
  if (schema.type === "array") return `${typeText(schema.items ?? {}, indent)}[]${bounds(schema, "Items")}`;
  if (schema.type === "object" && schema.properties) {
    const inner = `${indent}  `;
    const lines = Object.entries(schema.properties).map(
      ([name, property]) =>
        `${inner}${name}${schema.required?.includes(name) ? "" : "?"}: ${typeText(property, inner)}`,
    );
    return `{\n${lines.join("\n")}\n${indent}}`;
  }
  const format = schema.format ? ` (${schema.format})` : "";
  return `${[schema.type ?? "anything"].flat().join(" | ")}${format}${bounds(schema, "Length")}`;
}

function bounds(schema, unit) {
  const [least, most] = [schema[`min${unit}`], schema[`max${unit}`]];
  return least === undefined && most === undefined ? "" : ` (${least ?? 0}..${most ?? ""})`;
}

/** A body to begin with: the example, else every required field with nothing in it. */
function skeleton(content) {
  if (content.example !== undefined) return content.example;
  const schema = resolved(content.schema);
  const names = Object.keys(schema?.properties ?? {}).filter((name) => schema.required?.includes(name));
  return Object.fromEntries(
    names.map((name) => {
      const property = resolved(schema.properties[name]);
      return [name, property.enum?.[0] ?? property.const ?? (property.type === "array" ? [] : "")];
    }),
  );
}

function field(name, label, note, control) {
  control.name = name;
  return make("label", {}, make("span", {}, make("code", { textContent: label }), ` ${note}`), control);
}

function controlFor(schema, required) {
  const options = resolved(schema)?.enum;
  if (!options) return make("input", { required, autocomplete: "off", spellcheck: false });
  const choices = required ? options : ["", ...options];
  return make("select", { required }, ...choices.map((value) => make("option", { textContent: value })));
}

/** The form of an operation: one field for each parameter, then the body. */
function tryForm(method, path, operation) {
  const output = make("div", { role: "status" });
  const form = make("form", { className: "try" });
  const parameters = (operation.parameters ?? []).map(resolved);
  for (const { name, in: place, required, schema, description } of parameters) {
    const note = [place, required ? "needed" : "", description].filter(Boolean).join(", ");
    form.append(field(`${place}:${name}`, name, note, controlFor(schema, Boolean(required))));
  }
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const isForm = type === "multipart/form-data";
  if (isForm) {
    for (const [name, property] of Object.entries(resolved(content.schema).properties)) {
      const control =
        property.type === "array" ? make("input", { type: "file", multiple: true }) : make("input");
      form.append(field(`form:${name}`, name, "form", control));
    }
  } else if (content) {
    const value = JSON.stringify(skeleton(content), null, 2);
    form.append(field("body", "body", type, make("textarea", { value, spellcheck: false })));
  }
  form.append(make("button", { textContent: "Send" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.replaceChildren("Sending…");
    try {
      output.replaceChildren(...(await send(method, path, new FormData(form), isForm)));
    } catch {
      output.replaceChildren(make("p", { className: "bad", textContent: "There was no answer." }));
    }
  });
  return [form, output];
}

/** What a form holds, each value where its parameter belongs. */
function requestOf(template, given) {
  const request = {
    path: template,
    query: new URLSearchParams(),
    headers: new Headers(),
    upload: new FormData(),
  };
  for (const [key, value] of given) {
    const at = key.indexOf(":");
    const [place, name] = [key.slice(0, at), key.slice(at + 1)];
    const isEmpty = value === "" || (value instanceof File && value.size === 0 && value.name === "");
    if (place === "path") request.path = request.path.replace(`{${name}}`, encodeURIComponent(value));
    else if (isEmpty) continue;
    else if (place === "form") request.upload.append(name, value);
    else if (place === "query") request.query.set(name, value);
    else if (place === "header") request.headers.set(name, value);
  }
  return request;
}

/** Sends what the form holds to this origin, with token and no cookie; the answer as elements. */
async function send(method, template, given, isForm) {
  const { path, query, headers, upload } = requestOf(template, given);
  const body = isForm ? upload : given.get("body") || undefined;
  if (typeof body === "string") headers.set("Content-Type", "application/json");
  const token = byId("token").value.trim();
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const url = query.size > 0 ? `${path}?${query}` : path;
  const options = { method: method.toUpperCase(), headers, body, credentials: "omit", cache: "no-store" };
  const started = performance.now();
  const answer = await fetch(url, { ...options, redirect: "error" });
  const text = await shown(answer);
  const summary = `${answer.status} ${answer.statusText} in ${Math.round(performance.now() - started)} ms`;
  const received = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return [
    make("p", { className: answer.ok ? "good" : "bad" }, make("strong", { textContent: summary })),
    make("details", {}, make("summary", { textContent: "Headers" }), make("pre", { textContent: received })),
    make("pre", { textContent: text, tabIndex: 0 }),
  ];
}

async function shown(answer) {
  const type = answer.headers.get("Content-Type") ?? "";
  if (!/json|text|csv/.test(type))
    return `${(await answer.arrayBuffer()).byteLength} bytes of ${type || "nothing"}`;
  const text = (await answer.text()).slice(0, SHOWN_CHARACTERS);
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function answersOf(operation) {
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const { description, content } = resolved(response);
    const entry = Object.entries(content ?? {})[0];
    const isProblem = entry?.[0].startsWith("application/problem");
    const type = entry && !isProblem ? make("pre", { textContent: typeText(resolved(entry[1].schema)) }) : "";
    const summary = entry && !isProblem ? `${description} (${Object.keys(content).join(", ")})` : description;
    return make("tr", {}, make("th", { scope: "row", textContent: status }), make("td", {}, summary, type));
  });
  return make("table", {}, make("tbody", {}, ...rows));
}

function operationOf(method, path, operation) {
  const name = make("b", { textContent: method.toUpperCase() });
  const summary = make("summary", {}, name, make("code", { textContent: path }), ` ${operation.summary}`);
  const details = make("details", {}, summary);
  details.dataset.words = `${method} ${path} ${operation.summary}`.toLowerCase();
  const fill = () => {
    const needs = operation.security?.length
      ? (operation["x-permission"] ?? "a session")
      : "nothing: open to guests";
    const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
    details.append(make("p", { textContent: `Needs ${needs}.` }));
    if (content) {
      details.append(make("h4", { textContent: `Body (${type})` }));
      details.append(make("pre", { textContent: typeText(resolved(content.schema)) }));
    }
    details.append(make("h4", { textContent: "Answers" }), answersOf(operation));
    details.append(make("h4", { textContent: "Try it" }), ...tryForm(method, path, operation));
  };
  details.addEventListener("toggle", fill, { once: true });
  return details;
}

function sectionOf({ name, description }, operations) {
  const heading = make("h2", { id: name, textContent: name });
  return make(
    "section",
    {},
    heading,
    make("p", { className: "quiet", textContent: description }),
    ...operations,
  );
}

async function show() {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(String(answer.status));
  spec = await answer.json();
  const all = Object.entries(spec.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
  );
  const sections = spec.tags.map((tag) => {
    const own = all.filter(({ operation }) => operation.tags.includes(tag.name));
    return sectionOf(
      tag,
      own.map(({ method, path, operation }) => operationOf(method, path, operation)),
    );
  });
  const schemas = Object.entries(spec.components.schemas).map(([name, schema]) => {
    const summary = make("summary", {}, make("code", { textContent: name }));
    const details = make("details", {}, summary, make("pre", { textContent: typeText(schema) }));
    details.dataset.words = name.toLowerCase();
    return details;
  });
  const shapes = { name: "schemas", description: "The shapes that bodies and answers are made of." };
  main.replaceChildren(...sections, sectionOf(shapes, schemas));
  const links = [...spec.tags, shapes].map(({ name }) => make("a", { href: `#${name}`, textContent: name }));
  byId("tags").replaceChildren(...links);
}

byId("settings").addEventListener("submit", (event) => event.preventDefault());
byId("filter").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase();
  for (const section of main.querySelectorAll("section")) {
    const all = [...section.querySelectorAll("details[data-words]")];
    for (const each of all) each.hidden = !each.dataset.words.includes(words);
    section.hidden = all.every((each) => each.hidden);
  }
});

show().catch(() =>
  main.replaceChildren(
    make("p", { role: "alert", textContent: "The document could not be loaded. Try again shortly." }),
  ),
);
