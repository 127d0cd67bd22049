import { randomBytes } from "node:crypto";
import { Client, type Json, signIn, stepUp, totpCode } from "./client.ts";
import { mailedToken } from "./mail.ts";
import type { Ops } from "./system.ts";

export interface Person {
  id: string;
  username: string;
  email: string;
  password: string;
  totpSecret: string | null;
  client: Client;
}

/** A password that the policy accepts and nobody has used. */
function newPassword(): string {
  return `${randomBytes(12).toString("base64url")}-aA1!`;
}

function newIdentity(role: string): { username: string; email: string; password: string } {
  const tag = randomBytes(4).toString("hex");
  return { username: `${role}-${tag}`, email: `${role}-${tag}@clinic.example`, password: newPassword() };
}

/** The admin that the first start made, signed in with password and TOTP and freshly confirmed. */
export async function demoAdmin(ops: Ops): Promise<{ client: Client; password: string; totpSecret: string }> {
  const admin = ops.demo.users.find((user) => user.role === "admin");
  if (!admin?.totpSecret) throw new Error("ops.json names no admin");
  const client = await signIn(ops.gateway, admin);
  await stepUp(client, admin);
  return { client, password: admin.password, totpSecret: admin.totpSecret };
}

/** An admin invites somebody; they take the mailed token, choose a password, enrol TOTP and are signed in. */
export async function invite(ops: Ops, admin: Client, role: "doctor" | "auditor"): Promise<Person> {
  const identity = newIdentity(role);
  const made = await admin.post("/v1/users", { username: identity.username, email: identity.email, role });
  if (made.status !== 201) throw new Error(`no user: ${made.status} ${JSON.stringify(made.body)}`);

  const newcomer = new Client(ops.gateway);
  const token = await mailedToken(ops.dirs.mail, identity.email);
  const accepted = await newcomer.post("/v1/auth/password/reset", { token, newPassword: identity.password });
  if (accepted.status !== 204) throw new Error(`not accepted: ${JSON.stringify(accepted.body)}`);

  const login = await newcomer.post("/v1/auth/login", {
    identifier: identity.username,
    password: identity.password,
  });
  if (login.body.mfaEnrollmentRequired !== true) throw new Error("enrolment was not asked for");
  newcomer.keep(login);
  const setup = await newcomer.post("/v1/auth/mfa/setup");
  const secret = text(setup.body, "secret");
  newcomer.keep(await newcomer.post("/v1/auth/mfa/verify", { code: await totpCode(secret) }));
  return { id: text(made.body, "id"), ...identity, totpSecret: secret, client: newcomer };
}

/** Somebody registers as a patient and signs in. */
export async function registerPatient(ops: Ops): Promise<Person> {
  const identity = newIdentity("patient");
  const client = new Client(ops.gateway);
  const registered = await client.post("/v1/auth/register", identity);
  if (registered.status !== 201) throw new Error(`not registered: ${JSON.stringify(registered.body)}`);
  return {
    id: text(registered.body, "id"),
    ...identity,
    totpSecret: null,
    client: await signIn(ops.gateway, identity),
  };
}

/** The string under `key`; throws where it is anything else. */
export function text(body: Json, key: string): string {
  const value = body[key];
  if (typeof value !== "string") throw new Error(`${key} is not text in ${JSON.stringify(body)}`);
  return value;
}

/** The objects under `items`. */
export function items(body: Json): Json[] {
  if (!Array.isArray(body.items)) throw new Error(`no items in ${JSON.stringify(body)}`);
  return body.items as Json[];
}
