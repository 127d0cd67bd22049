// The demo's people: invited or registered, until each of them can sign in.
import { randomBytes } from "node:crypto";
import { type MedVaultClient, ProblemError } from "@medvault/client";
import { logIn } from "../../tools/lib/sign-in.ts";
import { unusedCode } from "../../tools/lib/totp.ts";
import { clientAt } from "./client.ts";
import { mailedToken } from "./mail.ts";
import type { Person } from "./state.ts";

export interface Cast {
  data: string;
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

/** How they are called, by their user names. */
const PERSONAE: Readonly<Record<string, { name: string; title?: string; speciality?: string }>> = {
  admin: { name: "Ingrid Solberg" },
  "doctor-okafor": { name: "Chidi Okafor", title: "Dr.", speciality: "General practice" },
  "doctor-lindqvist": { name: "Anna Lindqvist", title: "Dr.", speciality: "Cardiology" },
  "auditor-marchetti": { name: "Giulia Marchetti" },
  "patient-torvald": { name: "Torvald O'Brádaigh" },
  "patient-marisela": { name: "Marisela Okonkwo-Reyes" },
  "patient-wilhelmina": { name: "Wilhelmina Asquith" },
};

/** Gives the signed-in person the name of the plan; others than the demo's keep theirs. */
export async function callThemselves(client: MedVaultClient, { username }: Person): Promise<void> {
  const name = PERSONAE[username]?.name;
  if (name) await client.call("PATCH /v1/auth/me", { body: { name } });
}

/** 96 random bits, and one of each kind of character that a policy may ask for. */
const newPassword = () => `${randomBytes(12).toString("base64url")}-aA1!`;

/** Adds the people who are missing from the plan. */
export function plan(cast: Cast): void {
  for (const { role, name } of PLAN) {
    const username = `${role}-${name}`;
    if (cast.people.some((person) => person.username === username)) continue;
    const email = `${name}@demo.example`;
    const unknown = { totpSecret: null, id: null, stage: "planned" } as const;
    cast.people.push({ role, username, email, password: newPassword(), ...unknown });
  }
  cast.save();
}

/** Brings one person to `ready`. */
export async function makeReady(cast: Cast, person: Person, admin: MedVaultClient): Promise<MedVaultClient> {
  const client = clientAt(cast.gateway, 10 + cast.people.indexOf(person));
  if (person.stage === "planned") await makeAccount(cast, person, client, admin);
  if (person.stage === "invited") {
    const isPatient = person.role === "patient";
    if (!isPatient) await accept(cast, person, client);
    const signIn = () => logIn(client, { ...person, dataDir: cast.data });
    const mustEnrol = await signIn().catch(async (error: unknown) => {
      // Until the address is confirmed (MEDVAULT_REGISTRATION_CONFIRM) no password is right.
      if (!(isPatient && error instanceof ProblemError && error.code === "invalid_credentials")) throw error;
      const token = await mailedToken(cast.mailDir, person.email);
      await client.call("POST /v1/auth/email/verify", { body: { token } });
      return signIn();
    });
    if (mustEnrol) await enrol(cast, person, client);
    if (isPatient) await callThemselves(client, person);
    person.stage = "ready";
    cast.save();
  }
  return client;
}

/** Patients register, all others are invited. */
async function makeAccount(cast: Cast, person: Person, client: MedVaultClient, admin: MedVaultClient) {
  const { username, email, password, role } = person;
  const isPatient = role === "patient";
  try {
    const { data } = isPatient
      ? await client.call("POST /v1/auth/register", { body: { username, email, password } })
      : await admin.call("POST /v1/users", { body: { username, email, role, ...PERSONAE[username] } });
    person.id = data.id;
  } catch (error) {
    // An earlier run was interrupted between the answer and its note, with this very password.
    if (!(error instanceof ProblemError && error.code === "username_taken")) throw error;
  }
  person.stage = "invited";
  cast.save();
}

/**
 * Chooses the password by the mailed token. One that is refused was used already, by an interrupted run
 * or by an attempt whose answer was late.
 */
async function accept(cast: Cast, person: Person, client: MedVaultClient): Promise<void> {
  const token = await mailedToken(cast.mailDir, person.email);
  const body = { token, newPassword: person.password };
  await client
    .call("POST /v1/auth/password/reset", { body }, { repeatable: true })
    .catch((error: unknown) => {
      if (!(error instanceof ProblemError && error.status < 500)) throw error;
    });
}

/**
 * Enrols TOTP for the client that a sign-in left with the enrolment token; the client is then fully
 * signed in.
 */
async function enrol(cast: Cast, person: Person, client: MedVaultClient): Promise<void> {
  const { secret } = (await client.call("POST /v1/auth/mfa/setup")).data;
  person.totpSecret = secret;
  cast.save(); // before it counts: an interruption must not lock the account
  const code = await unusedCode(secret, cast.data);
  await client.session.keep((await client.call("POST /v1/auth/mfa/verify", { body: { code } })).data);
}
