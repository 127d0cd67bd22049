import { type MedVaultClient, ProblemError } from "@medvault/client";
import { TokenConfig } from "./config.ts";
import { command } from "./lib/command.ts";
import { findInstallation } from "./lib/installation.ts";
import { demoPerson, type Person, sayNextCode, signIn } from "./lib/sign-in.ts";
import { unusedCode } from "./lib/totp.ts";

await command({
  name: "token",
  help: `Signs in as one of the demo's people and prints an access token, good for 5 minutes.

  npm run --silent token -- [admin|doctor|auditor|patient|<user name>] [--step-up]

  --step-up   confirm the password and a code once more, for what needs a fresh sign-in (good for 10 minutes)

  curl -H "Authorization: Bearer $(npm run --silent token -- doctor)" http://127.0.0.1:8080/v1/patients`,
  options: { "step-up": { type: "boolean" } },
  takesArguments: true,
  settings: TokenConfig,
  run: async ({ values, args, settings }) => {
    const installation = findInstallation(settings);
    const person = demoPerson(installation, args[0] ?? "doctor");
    const client = await signIn({ ...installation, as: person, userAgent: "" });
    if (values["step-up"]) await stepUp(client, person);
    const accessToken = client.session.tokens?.access ?? "";
    return { lines: [accessToken], result: { accessToken } };
  },
});

/** The sign-in has just used a code: usually this waits for the next. */
async function stepUp(client: MedVaultClient, { password, totpSecret, dataDir }: Person): Promise<void> {
  const code = totpSecret ? { code: await unusedCode(totpSecret, dataDir, sayNextCode) } : {};
  const body = { password: password ?? "", ...code };
  const { data } = await client.call("POST /v1/auth/step-up", { body }).catch((error: unknown) => {
    throw error instanceof ProblemError ? new Error(`the step-up was refused (${error.status}).`) : error;
  });
  await client.session.keep(data);
}
