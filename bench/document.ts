import type { Saved } from "./baseline.ts";
import type { Finding } from "./rounds.ts";
import { table, targetsTable, worksTables } from "./table.ts";

/** A change that was made for speed, and what it was measured to give. */
interface Step {
  readonly what: string;
  readonly gave: string;
}

const METHOD = `\`npm run bench -- requests\` starts a MedVault as \`npm start\` does, with servers of its own, and beside it a bare
service: Express 5 and pg over a table in clear, with no sign-in, no access rule, no audit and no keys
(\`bench/requests/bare-service.ts\`), on the same Postgres. Both have 100,000 prescriptions. Each work is done by
both in turns, three rounds of four seconds after a warm-up, from one client on the same machine, which has the
processors together with all that is measured; the numbers are medians. c is how many requests are under way at
once, each over a connection of its own.

- **Processor time** is of each process, from the kernel; a server's with all its processes.
- **Statements** are what Postgres logs while the work is done, by the role that sent them, those of relays, consumers
  and jobs too; each is a round trip. How many a request may take is held by tests: \`statement.test.ts\` in records, auth
  and files.
- **HTTP requests** are those that each service answered, **Redis commands** those that it ran.
- **WAL** is what Postgres logged to be durable, **to disks** what all services and servers wrote.
- A **load average** beyond some 4 says that others were at work on the machine: then only ratios and counts mean much.
- Every event is durable before its answer; the bare service has none.

\`npm run bench -- requests saturated --save\` writes \`bench/baseline.json\`, from which this page is made by
\`npm test -- dev/generated -u\`. \`npm run bench -- requests --compare\` says which ratios and counts are better or worse than
that, whatever the machine.`;

const BESIDE = `Medplum is no dependency of MedVault, and nothing of it is here. To put it beside MedVault on one machine:

1. Install and start its server as its documentation says, in production mode, with a Postgres and a Redis of the same
   versions on the same machine. Switch its audit events on or off, and say which: MedVault's cannot be switched off.
2. Make a client application, and get an access token by its client credentials. Set its rate limits beyond what is measured.
3. Create a Patient, and as many MedicationRequests as MedVault has prescriptions (10 a patient).
4. Send it what the bench sends, from the same client:

   \`\`\`sh
   node bench/load.ts --port <port> --path /fhir/R4/MedicationRequest/<id> \\
     --header "authorization: Bearer <token>" --connections 16 --pid <server> --pid <its Postgres> --pid <its Redis>
   node bench/load.ts --port <port> --method POST --path /fhir/R4/MedicationRequest --body request.json \\
     --header "content-type: application/fhir+json" --header "authorization: Bearer <token>" --connections 16 --pid …
   \`\`\`

5. Run \`npm run bench -- requests --works read,create\` right before and right after it, never meanwhile, and compare
   medians. Say how many cores there were, and what else ran.`;

/** docs/performance.md. */
export function performanceDocument(
  baseline: Readonly<Record<string, Saved>>,
  steps: readonly Step[],
): string {
  const { requests, saturated } = baseline;
  const findings = requests?.findings ?? [];
  const parts = [
    "# Performance",
    "This page is generated: `bench/document.ts` says how.",
    "## How it is measured",
    METHOD,
    ...(requests ? ["## What a request costs", machineOf(requests), worksTables(findings)] : []),
    "## Targets",
    targetsTable([...findings, ...(saturated?.findings ?? [])]),
    ...notesOf(findings),
    ...(saturated ? ["## Saturated", machineOf(saturated), saturated.findings.map(noteOf).join("\n")] : []),
    "## What was done, and what each step gave",
    "Each as it was measured then, mostly on a machine with other work: compare within a line only.",
    table(
      ["what", "gave"],
      steps.map(({ what, gave }) => [what, gave]),
    ),
    "## Medplum beside it",
    BESIDE,
  ];
  return `${parts.join("\n\n")}\n`;
}

function machineOf({ date, machine }: Saved): string {
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  return `Measured on ${date}: ${facts.join(", ")}.`;
}

/** Of sign-ins, bundles and idle, which have no row of their own. */
const notesOf = (findings: readonly Finding[]): string[] => {
  const noted = findings.filter(({ done, note }) => !done && note);
  return noted.length === 0 ? [] : [noted.map(noteOf).join("\n")];
};

const noteOf = ({ name, note }: Finding): string => `- ${name}${note ? `: ${note}` : ""}.`;
