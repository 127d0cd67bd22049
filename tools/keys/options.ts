import path from "node:path";
import { parseArgs } from "node:util";
import type { VaultPlace } from "@medvault/keys/operations";
import { SERVICES_WITH_DATA, type ServiceName } from "@medvault/postgres";

export const usage = `Keys of a running MedVault: what there is, rotation, erasure, recovery.

  npm run keys -- <command> [options]

  list [service]                versions, ages, states, how many keys and rows are under each
  rotate <service>              a new version of the service key; the one before goes on opening
      --final                   and then: rewrap, retire and destroy every older version
  rewrap [service]              wrap every key under the newest version; run again to go on
  retire <service> <version>    refuse anything new under an old version that no table needs
  destroy <service> <version>   take an old version's key away for good; refused while anything needs it
      --despite-backups         also when backups that are kept need it: they open on this installation only
  reseal <table>                seal rows anew that are not on the present declaration, policy and suite
      --all                     every row: after an index was switched off or on; stopped, go on with --after <id>
  reindex <table>               blind indexes under new keys, or as the policy has them, while traffic goes on; stopped,
                                run it again. Also patient_identifiers and fhir_sources
  shred <patient>               delete a patient's keys; nothing of it opens any more. Services make that final within 24 h
  escrow --out <folder>         split all key files into shares for people to keep
      --shares 5 --threshold 3  how many there are, and how many give the key files back
  recover <share files>         put key files back that are lost; one that is there is never replaced
  to-vault <service>            have Vault's transit engine wrap a service's keys, which then leave the key file
      --url <https url> --token-file <path> --key-name <transit key> [--mount transit] [--namespace <ns>]
  doctor                        key files, overdue rotations and shreds, keys without a version, nonce budgets, Vault tokens
      --max-age-days <n>        a rotation is overdue after this long (default 90)

  --json                        one JSON document instead of lines
  --help                        this

  Services: ${SERVICES_WITH_DATA.join(", ")}. Everything is done as the service's own database role, and audited.
  From the environment: MEDVAULT_DATA (default .data, whose ops.json says where everything is), or, instead of it,
  MEDVAULT_<SERVICE>_DATABASE_URL and MEDVAULT_KEYS_DIR. For reseal and reindex also MEDVAULT_POLICY_FILE, as the
  services have it.
  Exit code: 0 done, 1 refused, failed or found something, 2 wrong usage.
`;

export class UsageError extends Error {}

export interface Options {
  readonly command: string;
  readonly args: readonly string[];
  readonly json: boolean;
  readonly final: boolean;
  readonly despiteBackups: boolean;
  readonly maxAgeDays: number;
  readonly all: boolean;
  readonly after: string | undefined;
  readonly shares: number;
  readonly threshold: number;
  readonly out: string | undefined;
  readonly vault: Readonly<Partial<VaultPlace>>;
}

/** Throws UsageError. */
export function readOptions(argv: readonly string[]): Options | "help" {
  const { values, positionals } = parse(argv);
  if (values.help || positionals[0] === "help") return "help";
  const [command, ...args] = positionals;
  if (command === undefined) throw new UsageError(`name a command.\n\n${usage}`);
  return {
    command,
    args,
    json: values.json ?? false,
    final: values.final ?? false,
    despiteBackups: values["despite-backups"] ?? false,
    all: values.all ?? false,
    after: values.after,
    shares: wholeNumber(values.shares ?? "5", "--shares"),
    threshold: wholeNumber(values.threshold ?? "3", "--threshold"),
    out: values.out,
    vault: {
      mount: values.mount ?? "transit",
      ...(values.url && { url: values.url }),
      ...(values["token-file"] && { tokenFile: path.resolve(values["token-file"]) }),
      ...(values["key-name"] && { keyName: values["key-name"] }),
      ...(values.namespace && { namespace: values.namespace }),
    },
    maxAgeDays: wholeNumber(values["max-age-days"] ?? "90", "--max-age-days"),
  };
}

/** Throws UsageError unless it is a service with keys. */
export function serviceArg(name: string | undefined): ServiceName {
  const service = SERVICES_WITH_DATA.find((known) => known === name);
  if (service) return service;
  throw new UsageError(`${name ? `${name} is no` : "name a"} service: ${SERVICES_WITH_DATA.join(", ")}.`);
}

/** Throws UsageError unless it is a whole number of at least 1. */
export function wholeNumber(text: string | undefined, what: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new UsageError(`${what} is a number from 1.`);
  return number;
}

/** Throws UsageError unless all of it is given. */
export function vaultArg({ url, tokenFile, keyName, mount, namespace }: Options["vault"]): VaultPlace {
  if (!url || !URL.canParse(url) || !tokenFile || !keyName || !mount) {
    throw new UsageError("name --url, --token-file and --key-name.");
  }
  return { url, tokenFile, keyName, mount, ...(namespace && { namespace }) };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
        final: { type: "boolean" },
        "despite-backups": { type: "boolean" },
        "max-age-days": { type: "string" },
        all: { type: "boolean" },
        after: { type: "string" },
        shares: { type: "string" },
        threshold: { type: "string" },
        out: { type: "string" },
        url: { type: "string" },
        "token-file": { type: "string" },
        "key-name": { type: "string" },
        mount: { type: "string" },
        namespace: { type: "string" },
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : "bad arguments"}\n\n${usage}`);
  }
}
