import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { compareToBaseline, saveBaseline } from "./baseline.ts";
import { chunked } from "./crypto/chunked.ts";
import { rowBox } from "./crypto/row-box.ts";
import { sealedFile } from "./crypto/seal-file.ts";
import { inspection } from "./gateway/inspection.ts";
import { slowClients } from "./gateway/slow-clients.ts";
import { streaming } from "./gateway/streaming.ts";
import { throughput } from "./gateway/throughput.ts";
import { changeLine, keeps, line } from "./report.ts";
import type { Finding } from "./rounds.ts";
import { searchInProcess } from "./search/in-process.ts";
import { withServers } from "./servers.ts";
import { worksTables } from "./table.ts";

const HELP = `npm run bench -- [part...] [--rounds 40] [--file-mib 4096] [--rows 1000000] [--dir /tmp]
                         [--works read,create] [--minutes 10] [--json] [--compare] [--save]

Measures what was promised and says whether it is kept; the exit code is 1 where it is not.
  row-box    sealing and opening a row, beside bare node:crypto loops of the same HKDF and cipher
  chunked    seal and open streams, beside a bare loop of AES-256-GCM over 16 KiB
  gateway    requests a second and p50 beside a bare Express + undici proxy, 1 GiB up and down, 200 slow clients
  gateway-inspection  the gateway's look at a request, its body and its values, in processor time
  seal-file  a file of --file-mib through sealFile and openFile in --dir, and how the process grows
  auth-sign-in    sign-ins a second beside bare argon2id, event loop delay, hashes of a refresh
  auth-timing     whether time tells accounts apart: medians of 200 tries (5 a round)
  search-index    searches of the index alone, 1,000,000 prescriptions in this process, and its memory
  auth-assertion  the gateway's assertion, checked by a service
  index-leakage   what tables and WAL tell a thief who knows which values occur, and how often
  search          searches through the gateway at 1,000 to --rows prescriptions (of a million: half an hour)
  search-create   what the row of a new prescription costs Postgres, beside a table with a blind index
  requests        reads, creates, lists, searches, files, beside a bare Express + pg service in clear; idle
  saturated       mixed requests for --minutes: memory stays flat, none fails, nothing is left waiting
  appointments    a day of one doctor among --rows appointments
  decision        what consents cost the statement of a read, beside the one before there were any
  fhir            every bundle there is: whole, equal, valid; bundles of 1,000 and 20,000 exported, a second
  migrate-in      a dump of CareCrypt with 10,000 prescriptions in sealed cells, moved in
  audit-pages     first pages of a log of --rows entries by each filter, and proofs in as many leaves (10,000,000: 40 GB, an hour)
  audit-stream    200 streams of the log while it grows, and what an export of --rows entries takes of memory
  audit-throughput  5,000 events a second for 60 s (or --rows events) from the queue into the log and its signed tree, with
                  all alert rules on, beside a bare consumer with batch INSERT; when a query finds an event
  audit-attacks   a superuser attacks a log of --rows entries (say 100000): found in 10 s, 20 runs without an alarm
  audit-verify    the whole-log verifier over --rows entries, by Node and by WebCrypto, and how it grows
What needs servers starts its own, or uses those that MEDVAULT_TEST_* names, as \`npm test\` sets them.
Ratios are bare / ours, 1 when equally fast: medians of rounds in which both take turns.
--works: of requests, those alone whose names begin so.
--compare: ratios and counts beside those of bench/baseline.json; the exit code is 1 where one became
  worse. --save puts the parts that ran into that file; then \`npm test -- dev/generated -u\` writes
  docs/performance.md.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "40" },
    "file-mib": { type: "string", default: "4096" },
    rows: { type: "string", default: "1000000" },
    dir: { type: "string", default: tmpdir() },
    minutes: { type: "string", default: "10" },
    works: { type: "string", default: "" },
    compare: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const GIB = 1024 ** 3;
const rounds = Number(values.rounds);
const fileBytes = Number(values["file-mib"]) * 1_048_576;
const rows = Number(values.rows);
const minutes = Number(values.minutes);
const say = (text: string) => void (values.json || console.log(text));
/** What the parts learn about their servers. */
const servers: Record<string, string> = {};
const PARTS: Record<string, () => Promise<Finding[]>> = {
  "seal-file": () => sealedFile(values.dir, fileBytes), // first, while the process is small
  "row-box": () => rowBox(rounds),
  chunked: () => chunked(rounds),
  gateway: () =>
    withServers(async () => [
      ...(await throughput(Math.ceil(rounds / 4))),
      ...(await streaming(GIB)),
      ...(await slowClients()),
    ]),
  "gateway-inspection": async () => inspection(rounds),
  "auth-sign-in": () => withServers(async () => (await import("./auth/sign-in.ts")).signIns(rounds)),
  "auth-timing": () => withServers(async () => (await import("./auth/timing.ts")).timing(5 * rounds)),
  appointments: async () => (await import("./appointments/day.ts")).daysAppointments(rounds, rows),
  decision: async () => (await import("./consents/decision.ts")).decision(rounds),
  fhir: async () => {
    const { withFhir } = await import("./fhir/charts.ts");
    const [{ corpora }, { speed }] = [await import("./fhir/corpus.ts"), await import("./fhir/speed.ts")];
    return withFhir(async (fhir) => [...(await corpora(fhir)), ...(await speed(fhir))]);
  },
  "migrate-in": async () => (await import("./migrate-in.ts")).moveIn(),
  "index-leakage": () =>
    withServers(async () => {
      const { leakage } = await import("./index-leakage/leakage.ts");
      return leakage((text) => void (values.json || process.stdout.write(text)));
    }),
  "search-index": async () => searchInProcess(rounds),
  search: async () => (await import("./search/speed.ts")).searchSpeed(rows),
  "search-create": async () => (await import("./search/create.ts")).createCost(rounds),
  requests: async () =>
    (await import("./requests/requests.ts")).requests(values.works.split(",").filter(Boolean), servers),
  saturated: async () => (await import("./requests/saturated.ts")).saturated(minutes, say),
  "audit-pages": async () => (await import("./audit/long-log.ts")).longLog(rows),
  "audit-stream": () =>
    withServers(async () => {
      const { exportOf, listeners } = await import("./audit/stream.ts");
      return [...(await listeners()), ...(await exportOf(rows))];
    }),
  "audit-throughput": () => withServers(async () => (await import("./audit/throughput.ts")).throughput(rows)),
  "audit-attacks": () => withServers(async () => (await import("./audit/attacks.ts")).attacks(rows, say)),
  "audit-verify": async () => (await import("./audit/whole-log.ts")).wholeLog(rows),
  "auth-assertion": async () => (await import("./auth/assertion.ts")).assertionCheck(rounds),
};

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const unknown = positionals.filter((name) => !Object.hasOwn(PARTS, name));
  const isWhole = [rounds, fileBytes, rows, minutes].every(
    (number) => Number.isSafeInteger(number) && number > 0,
  );
  if (unknown.length > 0 || !isWhole) {
    process.stderr.write(HELP);
    return 2;
  }
  const found: Record<string, Finding[]> = {};
  for (const [name, part] of Object.entries(PARTS)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    found[name] = await part();
    if (values.save) saveBaseline(name, found[name], servers, values.works === "");
    for (const finding of found[name]) say(line(finding));
    say(worksTables(found[name]));
  }
  const findings = Object.values(found).flat();
  if (values.json)
    console.log(JSON.stringify(findings.map((finding) => ({ ...finding, kept: keeps(finding) }))));
  if (!values.compare) return findings.every(keeps) ? 0 : 1;
  const { changes, unsaved } = compareToBaseline(found);
  for (const change of changes) say(changeLine(change));
  if (unsaved.length > 0) say(`not in the baseline: ${unsaved.join(", ")}; save them with --save`);
  return changes.some(({ verdict }) => verdict === "worse") ? 1 : 0;
}

process.exitCode = await main();
