import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { type AnyTokensView, MedVaultClient, NoAnswer, ProblemError } from "@medvault/client";
import { type Credentials, UsageError } from "./options.ts";
import { totpCode, untilNextCodeMs } from "./totp.ts";

/** A bundle of 16 MiB takes its time. */
const TIMEOUT_MS = 120_000;
const MAX_WAIT_MS = 120_000;
const MAX_ATTEMPTS = 4;

interface Who extends Credentials {
  gateway: string;
  /** Empty: the session is bound to no program, so that another one (curl) can go on with its token. */
  userAgent?: string;
}

/**
 * A client that is signed in by token, or by password and, where asked for, TOTP. Throws Error with a sentence for
 * the user.
 */
export async function signIn(options: Who): Promise<MedVaultClient> {
  const client = new MedVaultClient({
    baseUrl: options.gateway,
    timeoutMs: TIMEOUT_MS,
    patience: { attempts: MAX_ATTEMPTS, maxWaitMs: MAX_WAIT_MS },
    ...(options.userAgent !== undefined && { userAgent: options.userAgent }),
    ...(options.token && { tokens: { access: options.token, refresh: null } }),
  });
  if (options.token) return client;
  try {
    await logIn(client, options);
  } catch (error) {
    if (error instanceof NoAnswer) throw new Error(NOBODY);
    if (!(error instanceof ProblemError)) throw error;
    throw new Error(`signing in failed (${error.status} ${error.code}).`);
  }
  return client;
}

/** What is said when nobody answers. */
export const NOBODY = "nobody answers at the gateway; is MedVault running (npm start)?";

async function logIn(client: MedVaultClient, options: Who): Promise<void> {
  const password = options.password ?? (await ask(`Password of ${options.user}: `, true));
  const body = { identifier: options.user ?? "", password };
  const { data } = await client.call("POST /v1/auth/login", { body }, PATIENTLY).catch((error: unknown) => {
    const wrong = error instanceof ProblemError && error.status === 401;
    throw wrong ? new Error("the user name or the password is wrong.") : error;
  });
  if ("mfaEnrollmentRequired" in data) {
    throw new Error("this account must set up its second factor first: sign in once with a client.");
  }
  await client.session.keep(
    "mfaRequired" in data ? await secondFactor(client, options, data.mfaToken) : data,
  );
}

/** A code works once: with the secret at hand, a refused one is followed by the next. */
async function secondFactor(client: MedVaultClient, options: Who, mfaToken: string): Promise<AnyTokensView> {
  const challenge = async () => {
    const code = options.totpSecret
      ? await totpCode(options.totpSecret, Date.now())
      : await ask("Code of your authenticator: ", false);
    const body = { mfaToken, code: code.trim() };
    const answer = await client.call("POST /v1/auth/mfa/challenge", { body }, PATIENTLY).catch(nullWhenWrong);
    return answer?.data ?? null;
  };
  let tokens = await challenge();
  if (!tokens && options.totpSecret) {
    process.stderr.write("The code was used already; waiting for the next one.\n");
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
const PATIENTLY = {
  repeatable: true,
  patience: {
    onWait: (waitMs: number) => {
      process.stderr.write(`The gateway asks to wait ${Math.ceil(waitMs / 1000)} s before signing in.\n`);
    },
  },
};

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
