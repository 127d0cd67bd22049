// Whether the service in this container is ready: the health check of its image, in 50 ms, since it
// loads nothing. Exit code 0: it answers and can serve; 1: not, with the reason.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const { ADMIN_PORT, MEDVAULT_TLS_CERT_FILE, MEDVAULT_TLS_CA_FILE } = process.env;
const options = { host: "127.0.0.1", port: ADMIN_PORT, path: "/readyz", timeout: 3_000 };

/** @param {string} why */
function fail(why) {
  console.error(`health: ${why}`);
  process.exit(1);
}

/** @param {http.IncomingMessage} answer */
function onAnswer(answer) {
  answer.resume();
  if (answer.statusCode !== 200) fail(`/readyz answers ${answer.statusCode}`);
}

const request = MEDVAULT_TLS_CERT_FILE
  ? https.get(
      { ...options, ...(MEDVAULT_TLS_CA_FILE ? { ca: readFileSync(MEDVAULT_TLS_CA_FILE) } : {}) },
      onAnswer,
    )
  : http.get(options, onAnswer);
request.on("timeout", () => fail("/readyz does not answer within 3 s"));
request.on("error", (error) => fail(error.message));
