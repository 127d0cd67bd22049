// The check of npm start, as a process of its own: the supervisor stays as small as it is without
// the services' code. Standard output: JSON {faults, warnings, declared}.
import { settingFaults, settingWarnings } from "./faults.ts";
import { declared } from "./registry.ts";

const faults = await settingFaults(process.env);
process.stdout.write(JSON.stringify({ faults, warnings: settingWarnings(process.env), declared }));
