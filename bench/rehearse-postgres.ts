import { sentenceFor } from "../dev/lib/words.mjs";

const HELP = `npm run rehearse:postgres -- <what>

Rehearses a step of docs/scaling.md with real servers, on this machine, in data of its own under .data.
  pgbouncer   MedVault twice, all of it through PgBouncer in transaction mode (deploy/pgbouncer): the
              journey by both, then requests by both at once; some three minutes
  replica     MedVault whose lists and searches are read on a streaming replica: the journey, then lists
              and searches while the replica is killed again and again; some three minutes
  versions [15 16 17 18]   MedVault on each of these versions of Postgres, whose binaries come from npm:
              migrations, the journey, the tests of plans, statements and restores; some four minutes each
It ends with what was seen, and with exit code 1 where something failed. The servers' logs stay in
.data/rehearse-<what>/log, those of MedVault in .data/rehearse-*.
`;

const say = (line: string) => console.log(line);
const WHAT: Record<string, (rest: readonly string[]) => Promise<void>> = {
  pgbouncer: async () => (await import("./scaling/pooled.ts")).pooled(say),
  replica: async () => (await import("./scaling/replica.ts")).replica(say),
  versions: async (rest) => (await import("./scaling/versions.ts")).versions(rest, say),
};

async function main([what = "", ...rest]: readonly string[]): Promise<number> {
  const rehearse = Object.hasOwn(WHAT, what) ? WHAT[what] : undefined;
  if (!rehearse) {
    process.stderr.write(HELP);
    return ["", "--help", "-h"].includes(what) ? 0 : 2;
  }
  try {
    await rehearse(rest);
    say(`${what}: passed`);
    return 0;
  } catch (error) {
    console.error(`${what}: ${sentenceFor(error) ?? (error as Error).stack}`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
