// Signing in at the gateway, as any client does: by a token at hand, or by password and code.
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { type AnyTokensView, MedVaultClient, NoAnswer, ProblemError } from "@medvault/client";
import { UsageError } from "./command.ts";
import type { Installation } from "./installation.ts";
import { NotOurGateway, provenFetch } from "./proven-fetch.ts";
import { untilNextCodeMs, unusedCode } from "./totp.ts";

/** A bundle of 16 MiB takes its time. */
const TIMEOUT_MS = 120_000;
const MAX_WAIT_MS = 120_000;
const MAX_ATTEMPTS = 4;

const NOBODY = "nobody answers at the gateway; is MedVault running (npm start)?";

/** Nobody answers there, or someone else does. */
class GatewayAway extends Error {
  readonly kind = "unavailable";
}

/** A person to sign in; what is null is asked for at the terminal. */
export interface Person {
  readonly username: string;
  readonly password: string | null;
  readonly totpSecret: string | null;
  /** Where used codes are noted. */
  readonly dataDir: string | null;
}

/** One of the demo's people, by role or user name. Throws UsageError. */
export function demoPerson({ demoUsers, dataDir }: Installation, who: string): Person {
  const found = demoUsers.find((one) => one.role === who || one.username === who);
  if (found) return { ...found, totpSecret: found.totpSecret ?? null, dataDir };
  throw new UsageError(`there is no demo ${who}: start MedVault with its demo first (npm start).`);
}

export interface SignInOptions {
  readonly gateway: string;
  /**
   * By which a gateway without TLS proves itself; null: nothing is sent there. Undefined: the caller
   * has named a gateway of another MedVault, and answers for it.
   */
  readonly proofKey: string | null | undefined;
  /** A person, or an access token. */
  readonly as: Person | string;
  /**
   * Empty: the session is bound to no program, so that another one (curl) can go on with its token.
   */
  readonly userAgent?: string;
}

/** A client that is signed in. Throws Error with a sentence for the user. */
export async function signIn({ gateway, proofKey, as, userAgent }: SignInOptions): Promise<MedVaultClient> {
  const client = new MedVaultClient({
    baseUrl: gateway,
    ...gatewayFetch(gateway, proofKey),
    timeoutMs: TIMEOUT_MS,
    patience: { attempts: MAX_ATTEMPTS, maxWaitMs: MAX_WAIT_MS, onWait: sayWait },
    ...(userAgent !== undefined && { userAgent }),
    ...(typeof as === "string" && { tokens: { access: as, refresh: null } }),
  });
  try {
    // One question that sends nothing: whoever is away, or a stranger, is named at once.
    await client.call("GET /healthz", {}, { patience: { attempts: 1 } });
    if (typeof as === "string") return client;
    if (await logIn(client, as))
      throw new Error("this account must set up its second factor first: sign in once with a client.");
  } catch (error) {
    if (error instanceof NoAnswer) throw new GatewayAway(silenceOf(error));
    if (!(error instanceof ProblemError)) throw error;
    throw new Error(`signing in failed (${error.status} ${error.code}).`);
  }
  return client;
}

/** TLS proves whose a gateway is; a plain one proves it by its key. Throws UsageError. */
function gatewayFetch(gateway: string, proofKey: SignInOptions["proofKey"]): { fetch?: typeof fetch } {
  if (new URL(gateway).protocol === "https:" || proofKey === undefined) return {};
  if (proofKey !== null) return { fetch: provenFetch(proofKey) };
  throw new UsageError(
    `whose gateway is at ${gateway} cannot be proved, and nothing was sent: start MedVault (npm start), set MEDVAULT_DATA to the data directory of the MedVault there, or use https.`,
  );
}

/** Why no answer came, for the user. */
export function silenceOf(error: NoAnswer): string {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof NotOurGateway) return cause.message;
  return NOBODY;
}

/**
 * Signs in with password and, where asked for, a code. Returns true when the account must set up
 * its second factor first: the session then holds the token for that alone.
 */
export async function logIn(client: MedVaultClient, person: Person): Promise<boolean> {
  const password = person.password ?? (await ask(`Password of ${person.username}: `, true));
  const body = { identifier: person.username, password };
  const { data } = await client.call("POST /v1/auth/login", { body }, REPEATABLE).catch((error: unknown) => {
    const wrong = error instanceof ProblemError && error.status === 401;
    throw wrong ? new Error("the user name or the password is wrong.") : error;
  });
  await client.session.keep("mfaRequired" in data ? await secondFactor(client, person, data.mfaToken) : data);
  return "mfaEnrollmentRequired" in data;
}

/** A code works once: with the secret at hand, a refused one is followed by the next. */
async function secondFactor(
  client: MedVaultClient,
  { totpSecret, dataDir }: Person,
  mfaToken: string,
): Promise<AnyTokensView> {
  const challenge = async () => {
    const code = totpSecret
      ? await unusedCode(totpSecret, dataDir, sayNextCode)
      : await ask("Code of your authenticator: ", false);
    const body = { mfaToken, code: code.trim() };
    const answer = await client
      .call("POST /v1/auth/mfa/challenge", { body }, REPEATABLE)
      .catch(nullWhenWrong);
    return answer?.data ?? null;
  };
  let tokens = await challenge();
  if (!tokens && totpSecret) {
    sayNextCode(); // somebody else used it
    await delay(untilNextCodeMs(Date.now()) + 500);
    tokens = await challenge();
  }
  if (!tokens) throw new Error("the code is wrong or was used already.");
  return tokens;
}

function nullWhenWrong(error: unknown): null {
  if (error instanceof ProblemError && error.status === 401) return null;
  throw error;
}

/** A sign-in that failed half-way can be begun again. */
const REPEATABLE = { repeatable: true };

/** Waits of a second factor are not the gateway's. */
export function sayNextCode(): void {
  process.stderr.write("Each code works once: waiting for the next one, 30 s at most.\n");
}

function sayWait(waitMs: number): void {
  process.stderr.write(`The gateway asks to wait ${Math.ceil(waitMs / 1000)} s before signing in.\n`);
}

async function ask(question: string, isSecret: boolean): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new UsageError("nobody can be asked here: set MEDVAULT_PASSWORD and MEDVAULT_TOTP_SECRET.");
  }
  process.stderr.write(question);
  // What is typed is echoed by the line editor's output; a secret's output goes nowhere.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({
    input: process.stdin,
    output: isSecret ? silent : process.stderr,
    terminal: true,
  });
  try {
    return await lines.question("");
  } finally {
    lines.close();
    if (isSecret) process.stderr.write("\n");
  }
}
