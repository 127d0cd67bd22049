import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

export const usage = `Loads FHIR R4 bundles into MedVault, whole or not at all; loading one twice stores nothing twice.

  npm run import -- [options] <bundle.json[.gz] | folder> …

  --demo             sign in as the first demo doctor of .data/ops.json
  --user <name>      sign in with this user name or email; asks for the password and the code
  --gateway <url>    default: the gateway of .data/ops.json, else http://127.0.0.1:8080
  --json             print one JSON document instead of lines
  --help             this

  From the environment: MEDVAULT_TOKEN (an access token, instead of signing in), MEDVAULT_PASSWORD,
  MEDVAULT_TOTP_SECRET (base32), MEDVAULT_DATA (default .data).
  Exit code: 0 all loaded, 1 something failed, 2 wrong usage.
`;

export class UsageError extends Error {}

export interface Credentials {
  user: string | null;
  password: string | null;
  totpSecret: string | null;
  token: string | null;
}

export interface Options extends Credentials {
  paths: string[];
  gateway: string;
  json: boolean;
}

interface Ops {
  gateway?: string;
  demo?: { users?: { role: string; username: string; password: string; totpSecret?: string }[] };
}

/** Reads arguments, environment and `.data/ops.json`. Throws UsageError with a sentence that says what to do. */
export function readOptions(args: string[], env: NodeJS.ProcessEnv): Options | "help" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  if (positionals.length === 0) throw new UsageError(`name at least one bundle.\n\n${usage}`);
  const ops = readOps(join(env.MEDVAULT_DATA ?? ".data", "ops.json"));
  const gateway = values.gateway ?? ops?.gateway ?? "http://127.0.0.1:8080";
  if (!URL.canParse(gateway)) throw new UsageError("--gateway is not a URL.");
  return {
    paths: positionals,
    gateway: gateway.replace(/\/+$/, ""),
    json: values.json ?? false,
    ...(values.demo ? demoPerson(ops, "doctor") : credentials(values.user, env)),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        demo: { type: "boolean" },
        user: { type: "string" },
        gateway: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : "bad arguments"}\n\n${usage}`);
  }
}

function credentials(user: string | undefined, env: NodeJS.ProcessEnv): Credentials {
  const token = env.MEDVAULT_TOKEN || null;
  if (!user && !token) throw new UsageError("say who you are: --demo, --user <name>, or MEDVAULT_TOKEN.");
  return {
    user: user ?? null,
    password: env.MEDVAULT_PASSWORD || null,
    totpSecret: env.MEDVAULT_TOTP_SECRET || null,
    token: user ? null : token,
  };
}

/** One of the demo's people, by role or user name, and the gateway to sign in at. Throws UsageError. */
export function demoUser(who: string, env: NodeJS.ProcessEnv): Credentials & { gateway: string } {
  const ops = readOps(join(env.MEDVAULT_DATA ?? ".data", "ops.json"));
  return { ...demoPerson(ops, who), gateway: ops?.gateway ?? "http://127.0.0.1:8080" };
}

function demoPerson(ops: Ops | null, who: string): Credentials {
  const found = ops?.demo?.users?.find((one) => one.role === who || one.username === who);
  if (!found)
    throw new UsageError(`there is no demo ${who}: start MedVault with its demo first (npm start).`);
  const { username, password, totpSecret } = found;
  return { user: username, password, totpSecret: totpSecret ?? null, token: null };
}

function readOps(path: string): Ops | null {
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Ops;
  } catch {
    throw new UsageError(`${path} cannot be read; is MedVault just starting, or is it another user's?`);
  }
}
