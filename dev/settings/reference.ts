// docs/configuration.md, made from the schemas: `npm test -- dev/generated -u` writes it.
import { BackupJobConfig } from "@medvault/backup-service/config";
import { CommonConfig, EXIT, type ExitCode, expectedBy, fileSetting } from "@medvault/service-kit";
import type { z } from "zod";
import { StartConfig } from "../config.ts";
import { SCHEMAS, type Setting, settingsOf, settingsOfTools } from "./registry.ts";

const INTRO = `# Configuration

<!-- made by \`npm test -- dev/generated -u\` from the schemas in the config.ts of each process -->

Every process reads its settings once, at its start, from its environment, and checks all of them before it connects to anything or
changes anything. A setting that is empty counts as not set. Any setting \`NAME\` may be given by \`NAME_FILE\`, the path of a file that
holds its value (a mounted secret, say; one line break at the end is not of the value); both at once is a fault. Which are
secrets, and so should be in a file, the tables say. \`npm start\` decides most of these settings itself: README.md, "Settings", has
those that it takes.

## A start that is refused
Whatever is wrong is named at once, each fault with what to do, within a second, and nothing was started: values that do not fit,
settings that are missing or do not go together, files that cannot be read or hold something else (keys, certificates that do not
fit their key or have run out, the field policy, password lists), directories that cannot be written, and in production whatever would
leave a connection unencrypted. A variable that begins with \`MEDVAULT_\`, or is nearly a setting, and that nothing reads is named with the
setting that was probably meant; alone it is a warning. No value is ever shown.

On a terminal these are sentences; elsewhere one line of JSON in the log (standard output of services, standard error of jobs and
tools):

\`\`\`json
{"level":"fatal","time":"…","service":"auth","pid":7,"faults":[{"setting":"PORT","fault":"must be a whole number from 0 to 65535"},{"setting":"MEDVAULT_TLS_KEY_FILE","fault":"is not the key of the certificate in MEDVAULT_TLS_CERT_FILE"}],"msg":"2 settings are not right; nothing was started"}
\`\`\`
`;

/** What each exit code means, and what a supervisor should do. */
const MEANINGS: Readonly<Record<ExitCode, readonly [string, string]>> = {
  [EXIT.done]: ["done; of a service: stopped by a signal, after its drain", "nothing"],
  [EXIT.failed]: ["failed, refused, or found something; the last line says what", "start a service again"],
  [EXIT.usage]: ["the command line does not say what to do (`--help` does)", "correct it"],
  [EXIT.tryAgain]: [
    "something that it needs is away: the database, Vault, a migration that has not run yet",
    "start it again, with growing pauses",
  ],
  [EXIT.badSettings]: [
    "bad settings, or key files that are not those of the data: all are named",
    "nothing: it ends alike until someone has put them right (`RestartPreventExitStatus=78` of systemd)",
  ],
};

const SECRET =
  /^((MEDVAULT_\w+_)?DATABASE_URL|AMQP_URL|REDIS_(URL|SENTINEL_PASSWORD)|MEDVAULT_(RABBITMQ_URL|SMTP_URL|KEYS|PROOF_KEY|ALERT_WEBHOOK_(URL|SECRETS)|ROLE_PASSWORDS|TOKEN|PASSWORD|TOTP_SECRET))$/;

/** Whether its value may let someone in. */
const isSecret = (name: string): boolean => SECRET.test(name);

export function configurationDocument(): string {
  const common = settingsOf(CommonConfig, "");
  const isCommon = (one: Setting) =>
    common.some(({ name, schema }) => name === one.name && schema === one.schema);
  const services = (["auth", "records", "files", "audit", "backup"] as const).map((service) =>
    section(
      `Service: ${service}`,
      `services/${service}/src/config.ts`,
      settingsOf(SCHEMAS[service], "").filter((one) => !isCommon(one)),
      "Besides those of every service:",
    ),
  );
  const toolSections = [...settingsOfTools()].map(([tool, schema]) =>
    section(`Tool: ${tool}`, "tools/config.ts", settingsOf(schema, "")),
  );
  return [
    INTRO,
    exitCodes(),
    section("Every service with data", "libs/service-kit/src/config.ts", common),
    ...services,
    section("Service: gateway", "services/gateway/src/config.ts", settingsOf(SCHEMAS.gateway, "")),
    section(
      "Job: bootstrap (the first admin)",
      "services/auth/src/config.ts",
      settingsOf(SCHEMAS.bootstrap, ""),
    ),
    section("Job: backup (on a schedule)", "services/backup/src/config.ts", settingsOf(BackupJobConfig, "")),
    section("Job: restore", "services/backup/src/config.ts", settingsOf(SCHEMAS.restore, "")),
    ...toolSections,
    section("npm start itself", "dev/config.ts", settingsOf(StartConfig, "")),
  ].join("\n");
}

function exitCodes(): string {
  const rows = Object.values(EXIT).map((code) => [String(code), ...MEANINGS[code]]);
  const more = `A service that is killed in its drain by a second signal ends with 1, a job that is stopped by SIGTERM with 143, and \`npm run status\`
with 3 where nothing runs.
`;
  return `## Exit codes\nOf every service, job and tool, and of \`npm start\`.\n\n${table([["code", "what it means", "what a supervisor does"], ...rows])}\n${more}`;
}

function section(title: string, file: string, settings: readonly Setting[], note = ""): string {
  const head = ["name", "type", "default", "secret", "what it does"];
  const rows = settings.map(({ name, schema, default: value, help }) => [
    `\`${name}\``,
    typeOf(name, schema),
    value || "**required**",
    isSecret(name) ? `yes: \`${fileSetting(name)}\`` : "",
    help,
  ]);
  const lead = [`Read in \`${file}\`.`, note].filter(Boolean).join(" ");
  return `## ${title}\n${lead}\n\n${table([head, ...rows])}`;
}

function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`)
    .join("");
}

/** What a value is, as its schema says it, or else its name. */
function typeOf(name: string, schema: z.ZodType): string {
  const known = typeIn(schema) ?? expectedBy(schema);
  if (known) return known;
  if (name.endsWith("_FILE")) return "file";
  return name.endsWith("_DIR") || name === "MEDVAULT_DATA" ? "directory" : "text";
}

function typeIn(schema: z.ZodType): string | null {
  const { type } = (schema.meta() ?? {}) as { type?: string };
  if (type) return type;
  const { innerType } = schema.def as { innerType?: z.ZodType };
  return innerType ? typeIn(innerType) : null;
}
