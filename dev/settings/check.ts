// The check of npm start, as a process of its own: the supervisor stays as small as it is without
// the services' code. Standard output: JSON {faults, warnings, declared}.
import { settingFaults, settingWarnings } from "./faults.ts";
import { mailWarnings } from "./given-servers.ts";
import { declared } from "./registry.ts";

const [faults, mail] = await Promise.all([
  settingFaults(process.env),
  mailWarnings(process.env.MEDVAULT_SMTP_URL),
]);
const warnings = [...settingWarnings(process.env), ...mail];
// A connection to a server that hangs must not keep the start waiting.
process.stdout.write(JSON.stringify({ faults, warnings, declared }), () => process.exit());
