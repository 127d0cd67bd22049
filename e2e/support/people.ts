import { randomBytes } from "node:crypto";
import { mailedToken } from "../../dev/demo/mail.ts";
import { Client, type Json, signIn, totpCode } from "./client.ts";
import type { Ops } from "./system.ts";

export interface Person {
  id: string;
  username: string;
  email: string;
  password: string;
  totpSecret: string | null;
  client: Client;
}

/** A new password that the policy accepts. */
function newPassword(): string {
  // No letter four times in a row: the policy would refuse it as a pattern, once in 500 times.
  for (;;) {
    const password = `Vk7-${randomBytes(12).toString("base64url")}-aA1!`;
    if (!/(.)\1{3}/i.test(password)) return password;
  }
}

function newIdentity(role: string): { username: string; email: string; password: string } {
  const tag = randomBytes(4).toString("hex");
  return { username: `${role}-${tag}`, email: `${role}-${tag}@clinic.example`, password: newPassword() };
}

/** The admin that the first start made, signed in just now: good for what needs a step-up. */
export async function demoAdmin(
  ops: Ops,
  fetchFrom?: typeof fetch,
): Promise<{ client: Client; password: string; totpSecret: string }> {
  const admin = ops.demo.users.find((user) => user.role === "admin");
  if (!admin?.totpSecret) throw new Error("ops.json names no admin");
  const client = await signIn(ops.gateway, admin, fetchFrom);
  return { client, password: admin.password, totpSecret: admin.totpSecret };
}

/** An admin invites a person, who takes the mailed token, sets password and TOTP, and signs in. */
export async function invite(
  ops: Ops,
  admin: Client,
  role: "doctor" | "auditor" | "admin",
  fetchFrom?: typeof fetch,
): Promise<Person> {
  const { username, email, password } = newIdentity(role);
  const { data: made } = await admin.api.call("POST /v1/users", { body: { username, email, role } });

  const client = new Client(ops.gateway, fetchFrom);
  const { api } = client;
  const token = await mailedToken(ops.dirs.mail, email);
  await api.call("POST /v1/auth/password/reset", { body: { token, newPassword: password } });
  const { data: login } = await api.call("POST /v1/auth/login", { body: { identifier: username, password } });
  if (!("mfaEnrollmentRequired" in login)) throw new Error("enrolment was not asked for");
  await api.session.keep(login);
  const { secret } = (await api.call("POST /v1/auth/mfa/setup")).data;
  const verified = await api.call("POST /v1/auth/mfa/verify", { body: { code: await totpCode(secret) } });
  await api.session.keep(verified.data);
  return { id: made.id, username, email, password, totpSecret: secret, client };
}

/** A person registers as a patient and signs in. */
export async function registerPatient(ops: Ops, fetchFrom?: typeof fetch): Promise<Person> {
  const identity = newIdentity("patient");
  const { api } = new Client(ops.gateway, fetchFrom);
  const { id } = (await api.call("POST /v1/auth/register", { body: identity })).data;
  return { id, ...identity, totpSecret: null, client: await signIn(ops.gateway, identity, fetchFrom) };
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
