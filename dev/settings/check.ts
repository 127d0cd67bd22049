// The check of npm start, as a process of its own: the supervisor stays as small as it is without
// the services' code. Standard output: JSON {faults, warnings, declared}.
import { settingFaults, settingWarnings } from "./faults.ts";
import { mailWarnings } from "./given-servers.ts";
import { declared } from "./registry.ts";

const asked = mailWarnings(process.env.MEDVAULT_SMTP_URL);
const faults = await settingFaults(process.env);
const mail = faults.length > 0 ? [] : await asked; // nobody waits for a mail server beside faults
const warnings = [...settingWarnings(process.env), ...mail];
// A connection to a server that hangs must not keep the start waiting.
process.stdout.write(JSON.stringify({ faults, warnings, declared }), () => process.exit());
