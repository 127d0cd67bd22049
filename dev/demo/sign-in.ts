import { setTimeout as sleep } from "node:timers/promises";
import { generate } from "otplib";
import type { Client } from "./client.ts";

const PERIOD_MS = 30_000;

const totp = (secret: string) => generate({ secret });

/** The value under a key, which must be text. */
export function text(body: Record<string, unknown>, key: string): string {
  const value = body[key];
  if (typeof value !== "string") throw new Error(`the answer holds no ${key}`);
  return value;
}

/**
 * Signs in with password and, where asked, TOTP.
 * @returns true when the account must still enrol a second factor; the client then holds the token for that alone
 */
export async function signIn(
  client: Client,
  person: { username: string; password: string; totpSecret: string | null },
): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    const login = await client.expect(200, "POST", "/v1/auth/login", {
      identifier: person.username,
      password: person.password,
    });
    if (login.mfaRequired !== true) {
      client.token = text(login, "accessToken");
      return login.mfaEnrollmentRequired === true;
    }
    if (!person.totpSecret) throw new Error(`${person.username} has a second factor that is not known here`);
    const challenge = { mfaToken: text(login, "mfaToken"), code: await totp(person.totpSecret) };
    const answer = await client.call("POST", "/v1/auth/mfa/challenge", challenge);
    if (answer.status === 200) {
      client.token = text(answer.body, "accessToken");
      return false;
    }
    if (attempt === 1)
      throw new Error(`the second factor of ${person.username} was refused (${answer.status})`);
    await sleep(PERIOD_MS - (Date.now() % PERIOD_MS) + 100); // this period's code may have been used: each works once
  }
}

/** Enrols TOTP for the client that a sign-in left with the enrolment token; the client is then fully signed in. */
export async function enrol(client: Client, keep: (totpSecret: string) => void): Promise<void> {
  const setup = await client.expect(200, "POST", "/v1/auth/mfa/setup", {});
  const secret = text(setup, "secret");
  keep(secret); // before it counts: an interruption must not lock the account
  const verified = await client.expect(200, "POST", "/v1/auth/mfa/verify", { code: await totp(secret) });
  client.token = text(verified, "accessToken");
}
