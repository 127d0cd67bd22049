// npm start: what must be so before anything starts, on the machine's own Node; the rest under Node 24.
import path from "node:path";
import { command, handOver } from "./lib/cli.mjs";
import { holder } from "./lib/lock.mjs";
import { askedData, dataDir } from "./lib/paths.mjs";
import { checkGatewayPort, checkNode, checkRoom, checkSettings, ensurePackages } from "./lib/prepare.mjs";
import { endLeftovers } from "./lib/processes.mjs";
import { recorded } from "./lib/stop.mjs";
import { Trouble } from "./lib/words.mjs";

const HELP = `npm start [-- --detach]

Installs what is missing, starts Postgres, Redis, RabbitMQ and the six services, makes a
demo at the first start, and keeps all of it running until Ctrl-C.

  --detach   come back when it is ready, and go on in the background (npm stop ends it)

  MEDVAULT_PORT             the gateway's port (8080)
  MEDVAULT_DATA             where data is kept (.data)
  MEDVAULT_DEMO=0           no demo: only the first admin is made
  MEDVAULT_RATE_LIMIT       requests a minute and client address (600)
  MEDVAULT_LOGIN_RATE       sign-ins a minute (5)
  MEDVAULT_PATIENTS_PER_HOUR  different patients an hour and user (1000)
  MEDVAULT_TRUSTED_RANGES   addresses with ten times these limits (clinics behind one)
  MEDVAULT_MAX_UPLOAD_BYTES, MEDVAULT_TRUSTED_PROXIES
  MEDVAULT_CORS_ORIGINS     pages of these origins may call the API (none)
  MEDVAULT_PASSKEY_RP_ID, MEDVAULT_PASSKEY_ORIGINS
                            the domain and pages of passkeys (localhost and the port)
  MEDVAULT_TOKEN_BITS, MEDVAULT_RECOVERY_CODE_BITS  lengths of generated tokens (256) and codes (80)
  PASSWORD_POLICY           composition or nist
  MEDVAULT_PASSWORD_LIST    a file of passwords that are not taken
  MEDVAULT_ARGON2_*         what a password hash costs (services/auth/README.md)
  MEDVAULT_LOCKOUT_*        how guesses are locked out (services/auth/README.md)
  MEDVAULT_KNOWN_DEVICE_DAYS  how long a device keeps its own lockout lane (90)
  MEDVAULT_SESSION_*, SESSION_DAILY_RESET, MEDVAULT_GEOIP_FILE
                            when sessions end and what they are bound to (README.md)
  MEDVAULT_SMTP_URL, MEDVAULT_MAIL_FROM
                            mail goes there instead of files under .data/mail
  MEDVAULT_REGISTRATION_CONFIRM=true  accounts wait until their address is confirmed
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS  when erasures become final, 0 to 23 or off (default 12)
  MEDVAULT_POLICY_FILE      what is sealed, indexed and masked (docs/runbooks/keys.md)
  MEDVAULT_BASE_PORT        the first of 40 internal ports (chosen and remembered)
  DATABASE_URL, REDIS_URL, AMQP_URL   use these servers (as superuser, as administrator)
  MEDVAULT_RABBITMQ_URL     the management API of a RabbitMQ given by AMQP_URL
  MEDVAULT_TLS_CA_FILE      the CA of given servers with TLS (?sslmode=verify-full, rediss://, amqps://)`;

await command(HELP, async (args) => {
  const unknown = args.find((arg) => arg !== "--detach");
  if (unknown)
    throw new Trouble(`npm start does not know ${unknown}: npm start -- --help shows what it knows.`);
  checkNode();
  checkSettings();
  const data = dataDir(askedData());
  const running = holder(path.join(data, "lock"));
  if (running) {
    throw new Trouble(
      `MedVault is already running here (process ${running.pid}): npm run status shows it, npm stop ends it.`,
    );
  }
  checkRoom(data);
  const ended = await endLeftovers(recorded(data), data, { graceMs: 8_000 });
  if (ended > 0) console.log(`ended ${ended} processes that an earlier run had left`);
  await checkGatewayPort(Number(process.env.MEDVAULT_PORT || 8080));
  await ensurePackages(console.log);
  return handOver("dev/run/start.ts", args, { detach: args.includes("--detach") });
});
