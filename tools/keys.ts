import { SERVICES_WITH_DATA } from "@medvault/postgres";
import { destroy, retire, rewrapServices, rotate, rotateFinally, toVault, type Work } from "./keys/change.ts";
import { doctor } from "./keys/doctor.ts";
import { escrow, recover } from "./keys/escrow.ts";
import { list } from "./keys/list.ts";
import {
  type Options,
  readOptions,
  serviceArg,
  UsageError,
  usage,
  vaultArg,
  wholeNumber,
} from "./keys/options.ts";
import { createOutput, type Outcome } from "./keys/output.ts";
import { findInstallation } from "./keys/places.ts";
import { reindexTable } from "./keys/reindex.ts";
import { resealTable } from "./keys/reseal.ts";
import { shred } from "./keys/shred.ts";

/** `npm run keys -- <command>`: key management of a running MedVault; see `--help`. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(usage);
    return 0;
  }
  const stop = new AbortController();
  const stopped = new Error("stopped; what is done is done. Run the same command again to go on.");
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort(stopped));
  const output = createOutput(options.json);
  const work: Work = {
    installation: findInstallation(process.env),
    output,
    policyFile: process.env.MEDVAULT_POLICY_FILE,
    signal: stop.signal,
  };
  const outcome = await run(options, work);
  output.finish(options.command, outcome);
  return outcome.ok === false ? 1 : 0;
}

async function run(options: Options, work: Work): Promise<Outcome> {
  const [first, second] = options.args;
  const named = () => (first === undefined ? SERVICES_WITH_DATA : [serviceArg(first)]);
  switch (options.command) {
    case "list":
      return list(work.installation, named());
    case "rotate":
      return options.final
        ? rotateFinally(work, serviceArg(first), options.despiteBackups)
        : rotate(work, serviceArg(first));
    case "rewrap":
      return rewrapServices(work, named());
    case "retire":
      return retire(work, serviceArg(first), wholeNumber(second, "the version"));
    case "destroy":
      return destroy(work, serviceArg(first), wholeNumber(second, "the version"), options.despiteBackups);
    case "reseal":
      return resealTable(work, first, options);
    case "reindex":
      return reindexTable(work, first);
    case "shred":
      return shred(work, first);
    case "escrow":
      return escrow(work, options);
    case "recover":
      return recover(work, options.args);
    case "to-vault":
      return toVault(work, serviceArg(first), vaultArg(options.vault));
    case "doctor":
      return doctor(work.installation, named(), options.maxAgeDays);
    default:
      throw new UsageError(`there is no command ${options.command}.\n\n${usage}`);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`keys: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
