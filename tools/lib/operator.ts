import type { MedVaultClient } from "@medvault/client";
import type { GatewayConfig } from "../config.ts";
import { UsageError } from "./command.ts";
import { findInstallation, type Installation, isOwnGateway } from "./installation.ts";
import { demoPerson, type Person, signIn } from "./sign-in.ts";

/** Options of tools that sign in at a gateway. */
export const SIGN_IN_OPTIONS = {
  demo: { type: "boolean" },
  user: { type: "string" },
  gateway: { type: "string" },
} as const;

interface SignInValues {
  demo?: boolean | undefined;
  user?: string | undefined;
  gateway?: string | undefined;
}

export interface Operator {
  readonly client: MedVaultClient;
  /** Null: a token was given. */
  readonly person: Person | null;
}

/** Signs in as the command line and the environment say. Throws UsageError. */
export async function signInAs(
  values: SignInValues,
  settings: GatewayConfig,
  demoRole: string,
): Promise<Operator> {
  const installation = findInstallation(settings);
  const gateway = values.gateway ?? installation.gateway;
  if (!URL.canParse(gateway)) throw new UsageError("--gateway is not a URL.");
  const as = values.demo
    ? demoPerson(installation, demoRole)
    : ownPerson(values.user, settings, installation);
  // Who names another MedVault's gateway answers for it; the demo's passwords go to its own alone.
  const isNamed = (values.gateway ?? settings.MEDVAULT_GATEWAY_URL) !== undefined && !values.demo;
  const isOthers = isNamed && !isOwnGateway(installation, gateway);
  const client = await signIn({ gateway, proofKey: isOthers ? undefined : installation.proofKey, as });
  return { client, person: typeof as === "string" ? null : as };
}

function ownPerson(user: string | undefined, settings: GatewayConfig, { dataDir }: Installation) {
  const { MEDVAULT_TOKEN: token, MEDVAULT_PASSWORD: password, MEDVAULT_TOTP_SECRET: totpSecret } = settings;
  if (user) return { username: user, password: password ?? null, totpSecret: totpSecret ?? null, dataDir };
  if (token) return token;
  throw new UsageError("say who you are: --demo, --user <name>, or MEDVAULT_TOKEN.");
}
