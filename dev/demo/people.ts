// The demo's people: invited or registered, until each of them can sign in.
import { randomBytes } from "node:crypto";
import { Client } from "./client.ts";
import { mailedToken } from "./mail.ts";
import { enrol, signIn, text } from "./sign-in.ts";
import type { Person } from "./state.ts";

export interface Cast {
  gateway: string;
  mailDir: string;
  people: Person[];
  /** Keeps what is known so far. */
  save: () => void;
}

const PLAN = [
  { role: "doctor", name: "okafor" },
  { role: "doctor", name: "lindqvist" },
  { role: "auditor", name: "marchetti" },
  { role: "patient", name: "torvald" },
  { role: "patient", name: "marisela" },
  { role: "patient", name: "wilhelmina" },
] as const;

/** 96 random bits, and one of each kind of character that a policy may ask for. */
const newPassword = () => `${randomBytes(12).toString("base64url")}-aA1!`;

/** Adds whoever is missing from the plan. */
export function plan(cast: Cast): void {
  for (const { role, name } of PLAN) {
    const username = `${role}-${name}`;
    if (cast.people.some((person) => person.username === username)) continue;
    const email = `${name}@demo.example`;
    cast.people.push({
      role,
      username,
      email,
      password: newPassword(),
      totpSecret: null,
      id: null,
      stage: "planned",
    });
  }
  cast.save();
}

/** Brings one person to `ready`. */
export async function makeReady(cast: Cast, person: Person, admin: Client): Promise<Client> {
  const client = new Client(cast.gateway, 10 + cast.people.indexOf(person));
  if (person.role === "patient") await register(cast, person, client);
  else await invite(cast, person, admin);
  const accepted = person.stage === "invited" ? await accept(cast, person, client) : false;
  if (person.stage !== "ready" || accepted) {
    const mustEnrol = await signIn(client, person);
    if (mustEnrol) {
      await enrol(client, (secret) => {
        person.totpSecret = secret;
        cast.save();
      });
    }
    person.stage = "ready";
    cast.save();
  }
  return client;
}

async function register(cast: Cast, person: Person, client: Client): Promise<void> {
  if (person.stage !== "planned") return;
  const { username, email, password } = person;
  const answer = await client.call("POST", "/v1/auth/register", { username, email, password });
  // Taken: an earlier run was interrupted between the answer and its note, with this very password.
  if (answer.status !== 201 && answer.body.code !== "username_taken") {
    throw new Error(`registering ${username} answered ${answer.status} ${String(answer.body.code ?? "")}`);
  }
  if (answer.status === 201) person.id = text(answer.body, "id");
  person.stage = "ready";
  cast.save();
}

async function invite(cast: Cast, person: Person, admin: Client): Promise<void> {
  if (person.stage !== "planned") return;
  const { username, email, role } = person;
  const answer = await admin.call("POST", "/v1/users", { username, email, role });
  if (answer.status !== 201 && answer.body.code !== "username_taken") {
    throw new Error(`inviting ${username} answered ${answer.status} ${String(answer.body.code ?? "")}`);
  }
  if (answer.status === 201) person.id = text(answer.body, "id");
  person.stage = "invited";
  cast.save();
}

/** Chooses the password by the mailed token. One that was used already was used by an interrupted run. */
async function accept(cast: Cast, person: Person, client: Client): Promise<boolean> {
  const token = await mailedToken(cast.mailDir, person.email);
  await client.call("POST", "/v1/auth/password/reset", { token, newPassword: person.password });
  return true;
}
