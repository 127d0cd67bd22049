// Sends what a mailed link is for. The token leaves the address bar at once, and is kept nowhere.
const byId = (id) => document.getElementById(id);
const form = byId("form");
const field = byId("field");
const button = form.querySelector("button");
const takesToken = form.dataset.takesToken === "true";
let token = null;

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) token = given;
  history.replaceState(null, "", location.pathname);
  if (takesToken && !token) show(["Open the link in the mail once more: this page needs the whole of it."]);
  else show([]);
}

function show(lines) {
  byId("problem").replaceChildren(
    ...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })),
  );
}

function minutes(seconds) {
  return seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}

async function linesOf(answer) {
  const seconds = Number(answer.headers.get("retry-after"));
  if (answer.status === 429) return [`There were too many tries. Try again in ${minutes(seconds || 60)}.`];
  const problem = await answer.json().catch(() => null);
  if (answer.status >= 500 || typeof problem?.detail !== "string")
    return ["MedVault cannot do this at the moment. Try again in a minute; nothing was changed."];
  const why = (problem.errors ?? []).map(({ message }) => `It ${message}.`);
  return [problem.detail, ...why];
}

async function send() {
  const { call } = form.dataset;
  const option = byId("option");
  const input = {
    ...(takesToken && { token }),
    ...(field && { [field.name]: field.value }),
    ...(option?.checked && { [option.name]: true }),
  };
  button.disabled = true;
  show([]);
  try {
    const answer = await fetch(call, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(input),
      credentials: "omit",
      redirect: "error",
    });
    if (!answer.ok) return show(await linesOf(answer));
    form.hidden = true;
    byId("done").hidden = false;
    byId("done").focus();
  } catch {
    show(["MedVault does not answer. Look at your connection, and try again."]);
  } finally {
    button.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (takesToken && !token) takeToken();
  else send();
});
byId("show")?.addEventListener("change", ({ target }) => {
  field.type = target.checked ? "text" : "password";
});
addEventListener("hashchange", takeToken);
takeToken();
