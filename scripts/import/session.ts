import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { type Answer, post, retryAfterMs } from "./http.ts";
import { type Credentials, UsageError } from "./options.ts";
import { totpCode, untilNextCodeMs } from "./totp.ts";

const MAX_WAIT_MS = 120_000;
const MAX_ATTEMPTS = 5;

export interface Session {
  gateway: string;
  accessToken(): string;
  /** A new access token, when the old one has run out (they live 5 minutes). False when there is no way to one. */
  renew(): Promise<boolean>;
}

/** Signs in by password and, where asked for, TOTP. Throws Error with a sentence for the user. */
export async function signIn(options: Credentials & { gateway: string }): Promise<Session> {
  let tokens = options.token ? { access: options.token, refresh: null } : await logIn(options);
  return {
    gateway: options.gateway,
    accessToken: () => tokens.access,
    async renew() {
      if (tokens.refresh === null) return false;
      const body = JSON.stringify({ refreshToken: tokens.refresh });
      const answer = await post(`${options.gateway}/v1/auth/refresh`, body, {});
      const renewed = tokensOf(answer);
      if (renewed) tokens = renewed;
      return renewed !== null;
    },
  };
}

interface Tokens {
  access: string;
  refresh: string | null;
}

async function logIn(options: Credentials & { gateway: string }): Promise<Tokens> {
  const password = options.password ?? (await ask(`Password of ${options.user}: `, true));
  const login = await patiently(() =>
    post(`${options.gateway}/v1/auth/login`, JSON.stringify({ identifier: options.user, password }), {}),
  );
  if (login.status === 401) throw new Error("the user name or the password is wrong.");
  if (login.body.mfaEnrollmentRequired) {
    throw new Error("this account must set up its second factor first: sign in once with a client.");
  }
  const tokens = login.body.mfaRequired
    ? await secondFactor(options, String(login.body.mfaToken))
    : tokensOf(login);
  if (!tokens) throw new Error(`signing in failed (${login.status} ${String(login.body.code ?? "")}).`);
  return tokens;
}

/** A code works once: with the secret at hand, a refused one is followed by the next. */
async function secondFactor(
  options: Credentials & { gateway: string },
  mfaToken: string,
): Promise<Tokens | null> {
  const challenge = async () => {
    const code = options.totpSecret
      ? await totpCode(options.totpSecret, Date.now())
      : await ask("Code of your authenticator: ", false);
    const body = JSON.stringify({ mfaToken, code: code.trim() });
    return patiently(() => post(`${options.gateway}/v1/auth/mfa/challenge`, body, {}));
  };
  let answer = await challenge();
  if (answer.status === 401 && options.totpSecret) {
    process.stderr.write("The code was used already; waiting for the next one.\n");
    await delay(untilNextCodeMs(Date.now()) + 500);
    answer = await challenge();
  }
  if (answer.status === 401) throw new Error("the code is wrong or was used already.");
  return tokensOf(answer);
}

async function patiently(attempt: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const answer = await attempt();
    if (![429, 502, 503].includes(answer.status) || tries === MAX_ATTEMPTS) return answer;
    const waitMs = retryAfterMs(answer, MAX_WAIT_MS);
    process.stderr.write(`The gateway asks to wait ${Math.ceil(waitMs / 1000)} s before signing in.\n`);
    await delay(waitMs);
  }
}

function tokensOf(answer: Answer): Tokens | null {
  const { accessToken, refreshToken } = answer.body;
  if (answer.status !== 200 || typeof accessToken !== "string") return null;
  return { access: accessToken, refresh: typeof refreshToken === "string" ? refreshToken : null };
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
