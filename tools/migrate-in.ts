import { GatewayConfig } from "./config.ts";
import { command, type Outcome, UsageError } from "./lib/command.ts";
import { SIGN_IN_OPTIONS } from "./lib/operator.ts";
import { FORMATS } from "./migrate-in/formats.ts";
import { type Moved, move } from "./migrate-in/move.ts";
import { durationText } from "./migrate-in/pace.ts";

await command({
  name: "migrate-in",
  help: `Moves the data of another system into MedVault: patients, records, prescriptions, claims, appointments, files,
and its users as invitations. Without --apply it says what would be stored and refused, and writes nothing.

  npm run migrate-in -- --format ${Object.keys(FORMATS).join("|")} [options] <dump.sql | database.sqlite | file.csv | folder of CSV>

  --map <file>              which columns become what; over what the format knows by itself (csv: needed)
  --fernet-key-file <file>  the keys that cells were sealed with, one a line
  --site <site.sqite>       of MedicoIO: its settings, by which its own seal is opened
  --files <folder>          where the files (.enc) are that rows name
  --dry-run                 the default
  --apply                   store it: the same command again goes on where it ended, and stores nothing twice
  --work <folder>           where the report and what is known of earlier runs lie (default:
                            migrate-in/<source> in the data directory)

  --demo             sign in as the demo admin of ops.json
  --user <name>      sign in with this user name or email; asks for what the environment does not say
  --gateway <url>    the gateway to store it through

  docs/migrate-in.md says how, what to check before and after, and how to undo it.`,
  options: {
    format: { type: "string" },
    map: { type: "string" },
    "fernet-key-file": { type: "string" },
    files: { type: "string" },
    site: { type: "string" },
    work: { type: "string" },
    "dry-run": { type: "boolean" },
    apply: { type: "boolean" },
    ...SIGN_IN_OPTIONS,
  },
  takesArguments: true,
  settings: GatewayConfig,
  isStoppable: true,
  run: async ({ values, args, settings, output, signal }) => {
    const [source, ...more] = args;
    if (source === undefined || more.length > 0)
      throw new UsageError("name one dump, database, CSV or folder of CSV (--help shows how).");
    if (values.format === undefined)
      throw new UsageError(`--format is one of ${Object.keys(FORMATS).join(", ")}.`);
    if (values["dry-run"] && values.apply) throw new UsageError("--dry-run and --apply exclude each other.");
    const options = {
      ...{ format: values.format, map: values.map, keyFile: values["fernet-key-file"], files: values.files },
      ...{ work: values.work, site: values.site, source, isApplied: values.apply === true },
    };
    const moved = await move(options, values, settings, output, signal);
    return outcomeOf(moved, options.isApplied);
  },
});

function outcomeOf(moved: Moved, isApplied: boolean): Outcome {
  const { report, pace, absentTables, sealedCells, unnamedDoctors, reportFile } = moved;
  const refused = report.sum("refused");
  const stored = isApplied ? "stored" : "would be stored";
  const kinds = Object.entries(report.counts).map(([kind, counts]) => {
    const parts = [
      `${counts.stored} ${stored}`,
      counts.updated > 0 ? `${counts.updated} changed` : "",
      counts.known > 0 ? `${counts.known} known already` : "",
      counts.refused > 0 ? `${counts.refused} refused` : "",
    ];
    return `  ${`${kind}s`.padEnd(14)} ${parts.filter(Boolean).join(", ")}`;
  });
  const reasons = Object.entries(report.reasons).map(([code, count]) => `  ${code}: ${count}`);
  const lines = [
    ...kinds,
    ...(absentTables.length > 0 ? [`No rows of: ${absentTables.join(", ")}.`] : []),
    ...(unnamedDoctors > 0
      ? [
          `${unnamedDoctors} charts without their doctor: nobody is named for the users who had them ("people" in the map).`,
        ]
      : []),
    ...(refused > 0
      ? [
          `${refused} rows ${isApplied ? "were" : "would be"} refused:`,
          ...reasons,
          `Each with its reason: ${reportFile}`,
        ]
      : []),
    `${pace.rows} rows read in ${durationText(pace.seconds)} (${pace.rowsPerSecond} rows/s), ${sealedCells} sealed cells opened.`,
    isApplied ? "Done." : "Nothing was written: this was a dry run. --apply stores it.",
  ];
  return {
    lines,
    result: {
      ...{ applied: isApplied, counts: report.counts, refused, reasons: report.reasons, absentTables },
      ...{
        sealedCells,
        unnamedDoctors,
        rows: pace.rows,
        seconds: pace.seconds,
        rowsPerSecond: pace.rowsPerSecond,
      },
      report: reportFile,
    },
    ok: refused === 0,
  };
}
