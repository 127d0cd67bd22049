import { setTimeout as delay } from "node:timers/promises";
import { type MedVaultClient, ProblemError } from "@medvault/client";
import { GatewayConfig } from "./config.ts";
import { command } from "./lib/command.ts";
import { findInstallation } from "./lib/installation.ts";
import { demoPerson, type Person, signIn, totpCode, untilNextCodeMs } from "./lib/sign-in.ts";

await command({
  name: "token",
  help: `Signs in as one of the demo's people and prints an access token, good for 5 minutes.

  npm run --silent token -- [admin|doctor|auditor|patient|<user name>] [--step-up]

  --step-up   confirm the password and a code once more, for what needs a fresh sign-in (good for 10 minutes)

  curl -H "Authorization: Bearer $(npm run --silent token -- doctor)" http://127.0.0.1:8080/v1/patients`,
  options: { "step-up": { type: "boolean" } },
  takesArguments: true,
  settings: GatewayConfig.pick({ MEDVAULT_DATA: true, MEDVAULT_GATEWAY_URL: true }),
  run: async ({ values, args, settings }) => {
    const installation = findInstallation(settings);
    const person = demoPerson(installation, args[0] ?? "doctor");
    const client = await signIn({ gateway: installation.gateway, as: person, userAgent: "" });
    if (values["step-up"]) await stepUp(client, person);
    const accessToken = client.session.tokens?.access ?? "";
    return { lines: [accessToken], result: { accessToken } };
  },
});

/** A code works once, and the sign-in has just used one: usually this waits for the next. */
async function stepUp(client: MedVaultClient, { password, totpSecret }: Person): Promise<void> {
  if (totpSecret) {
    process.stderr.write("waiting for the next TOTP code, 30 s at most\n");
    await delay(untilNextCodeMs(Date.now()));
  }
  const code = totpSecret ? { code: await totpCode(totpSecret, Date.now()) } : {};
  const body = { password: password ?? "", ...code };
  const { data } = await client.call("POST /v1/auth/step-up", { body }).catch((error: unknown) => {
    throw error instanceof ProblemError ? new Error(`the step-up was refused (${error.status}).`) : error;
  });
  await client.session.keep(data);
}
