import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type MedVaultClient, ProblemError } from "@medvault/client";
import { demoUser, UsageError } from "./import/options.ts";
import { signIn } from "./import/session.ts";
import { totpCode, untilNextCodeMs } from "./import/totp.ts";

const usage = `Signs in as one of the demo's people and prints an access token, good for 5 minutes.

  npm run --silent token -- [admin|doctor|auditor|patient|<user name>] [--step-up]

  --step-up   confirm the password and a code once more, for what needs a fresh sign-in (good for 10 minutes)

  curl -H "Authorization: Bearer $(npm run --silent token -- doctor)" http://127.0.0.1:8080/v1/patients
`;

/** `npm run token`: for first calls with curl; needs the demo of `npm start`. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "step-up": { type: "boolean" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const { gateway, ...person } = demoUser(positionals[0] ?? "doctor", process.env);
  const client = await signIn({ gateway, ...person, userAgent: "" });
  if (values["step-up"]) await stepUp(client, person);
  process.stdout.write(`${client.session.tokens?.access}\n`);
}

/** A code works once, and the sign-in has just used one: usually this waits for the next. */
async function stepUp(
  client: MedVaultClient,
  person: { password: string | null; totpSecret: string | null },
): Promise<void> {
  if (person.totpSecret) {
    process.stderr.write("waiting for the next TOTP code, 30 s at most\n");
    await delay(untilNextCodeMs(Date.now()));
  }
  const body = {
    password: person.password ?? "",
    ...(person.totpSecret && { code: await totpCode(person.totpSecret, Date.now()) }),
  };
  const { data } = await client.call("POST /v1/auth/step-up", { body }).catch((error: unknown) => {
    throw error instanceof ProblemError ? new Error(`the step-up was refused (${error.status}).`) : error;
  });
  await client.session.keep(data);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`token: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
