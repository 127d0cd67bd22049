import path from "node:path";
import type { VaultPlace } from "@medvault/keys/operations";
import { SERVICES_WITH_DATA, type ServiceName } from "@medvault/postgres";
import { KeysConfig } from "./config.ts";
import { destroy, retire, rewrapServices, rotate, rotateFinally, shred, toVault } from "./keys/change.ts";
import { doctor } from "./keys/doctor.ts";
import { escrow } from "./keys/escrow.ts";
import { list } from "./keys/list.ts";
import { recover } from "./keys/recover.ts";
import { reindexTable } from "./keys/reindex.ts";
import { resealTable } from "./keys/reseal.ts";
import type { Work } from "./keys/work.ts";
import { command, type Outcome, UsageError, type Values } from "./lib/command.ts";
import { findInstallation } from "./lib/installation.ts";

const OPTIONS = {
  final: { type: "boolean", default: false },
  "despite-backups": { type: "boolean", default: false },
  "max-age-days": { type: "string", default: "90" },
  all: { type: "boolean", default: false },
  after: { type: "string" },
  shares: { type: "string", default: "5" },
  threshold: { type: "string", default: "3" },
  out: { type: "string" },
  url: { type: "string" },
  "token-file": { type: "string" },
  "key-name": { type: "string" },
  mount: { type: "string", default: "transit" },
  namespace: { type: "string" },
} as const;

type KeysValues = Values<typeof OPTIONS>;

await command({
  name: "keys",
  help: `Keys of a running MedVault: what there is, rotation, erasure, recovery.

  npm run keys -- <command> [options]

  list [service]                versions, ages, states, how many keys and rows are under each
  rotate <service>              a new version of the service key; the one before goes on opening
      --final                   and then: rewrap, retire and destroy every older version
  rewrap [service]              wrap every key under the newest version; run again to go on
  retire <service> <version>    refuse anything new under an old version that no table needs
  destroy <service> <version>   take an old version's key away for good; refused while anything needs it
      --despite-backups         also when backups that are kept need it: they open on this installation only
  reseal <table>                seal rows again that are not on the present declaration, policy and suite
      --all                     every row: after an index was switched off or on; stopped, go on with --after <id>
  reindex <table>               blind indexes under new keys, or as the policy has them, while traffic goes on; stopped,
                                run it again. Also patient_identifiers and fhir_sources
  shred <patient>               delete a patient's keys; nothing of it opens any more. Services make that final within 24 h
  escrow --out <folder>         split all key files into shares for people to keep
      --shares 5 --threshold 3  how many there are, and how many give the key files back
  recover <share files>         put key files back that are lost, while everything is down; a key that is there
                                stays: it is joined to the one of the shares, and both open
  to-vault <service>            have Vault's transit engine wrap a service's keys, which then leave the key file
      --url <https url> --token-file <path> --key-name <transit key> [--mount transit] [--namespace <ns>]
  doctor                        key files, and whether they open what lies under each version; overdue rotations and
                                shreds, nonce budgets, Vault tokens
      --max-age-days <n>        a rotation is overdue after this long (default 90)

  Services: ${SERVICES_WITH_DATA.join(", ")}. Everything is done as the service's own database role, and audited.`,
  options: OPTIONS,
  takesArguments: true,
  settings: KeysConfig,
  isStoppable: true,
  run: async ({ args: [name, ...args], values, settings, output, signal }) => {
    if (name === undefined) throw new UsageError("name a command (--help lists them).");
    const work: Work = {
      installation: findInstallation(settings),
      output,
      policyFile: settings.MEDVAULT_POLICY_FILE,
      signal,
    };
    const outcome = await run(name, args, values, work);
    return { ...outcome, result: { command: name, ...outcome.result } };
  },
});

async function run(name: string, args: readonly string[], values: KeysValues, work: Work): Promise<Outcome> {
  const [first, second] = args;
  const named = () => (first === undefined ? SERVICES_WITH_DATA : [serviceArg(first)]);
  const despiteBackups = values["despite-backups"];
  switch (name) {
    case "list":
      return list(work.installation, named());
    case "rotate":
      return values.final
        ? rotateFinally(work, serviceArg(first), despiteBackups)
        : rotate(work, serviceArg(first));
    case "rewrap":
      return rewrapServices(work, named());
    case "retire":
      return retire(work, serviceArg(first), wholeNumber(second, "the version"));
    case "destroy":
      return destroy(work, serviceArg(first), wholeNumber(second, "the version"), despiteBackups);
    case "reseal":
      return resealTable(work, first, { all: values.all, after: values.after });
    case "reindex":
      return reindexTable(work, first);
    case "shred":
      return shred(work, first);
    case "escrow":
      return escrow(work, {
        shares: wholeNumber(values.shares, "--shares"),
        threshold: wholeNumber(values.threshold, "--threshold"),
        out: values.out,
      });
    case "recover":
      return recover(work, args);
    case "to-vault":
      return toVault(work, serviceArg(first), vaultArg(values));
    case "doctor":
      return doctor(work.installation, named(), wholeNumber(values["max-age-days"], "--max-age-days"));
    default:
      throw new UsageError(`there is no command ${name} (--help lists them).`);
  }
}

function serviceArg(name: string | undefined): ServiceName {
  const service = SERVICES_WITH_DATA.find((known) => known === name);
  if (service) return service;
  throw new UsageError(`${name ? `${name} is no` : "name a"} service: ${SERVICES_WITH_DATA.join(", ")}.`);
}

function wholeNumber(text: string | undefined, what: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new UsageError(`${what} is a number from 1.`);
  return number;
}

function vaultArg(values: KeysValues): VaultPlace {
  const { url, "token-file": tokenFile, "key-name": keyName, mount, namespace } = values;
  if (!url || !URL.canParse(url) || !tokenFile || !keyName || !mount)
    throw new UsageError("name --url, --token-file and --key-name.");
  return { url, tokenFile: path.resolve(tokenFile), keyName, mount, ...(namespace && { namespace }) };
}
