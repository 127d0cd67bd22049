import type { ConnectionOptions } from "node:tls";

/** What else of TLS the driver takes from a URL: files, other modes, ways to check less. */
const OTHER_PARAMETERS = [
  "ssl",
  "sslcert",
  "sslkey",
  "sslrootcert",
  "sslpassword",
  "sslnegotiation",
  "uselibpqcompat",
];

/** A URL's TLS is not checked in full, or in words that drivers read differently. */
class TlsModeRefused extends Error {
  override readonly name = "TlsModeRefused";
  constructor() {
    super(
      "Of TLS a database URL says sslmode=verify-full, or nothing (then it is plain); whom to trust is in MEDVAULT_TLS_CA_FILE.",
    );
  }
}

/**
 * A URL as the driver gets it. With `sslmode=verify-full` the server must speak TLS, with a
 * certificate for the host that the URL names from a CA that `tls` trusts (without `tls`, one that
 * Node trusts); never less, and never plain instead. Without it the connection is plain. Throws
 * TlsModeRefused for any other mode: what the driver makes of `require` or `prefer` changes with
 * its version, and a mode in the URL makes it drop `tls`.
 */
export function connectionOf(
  url: string,
  tls?: ConnectionOptions,
): { connectionString: string; ssl: false | ConnectionOptions } {
  const parsed = URL.parse(url);
  if (parsed === null) throw new TypeError("The database URL is not a URL."); // Node's quotes it
  const modes = parsed.searchParams.getAll("sslmode");
  if (modes.length > 1 || OTHER_PARAMETERS.some((name) => parsed.searchParams.has(name)))
    throw new TlsModeRefused();
  const [mode = "disable"] = modes;
  if (mode !== "disable" && mode !== "verify-full") throw new TlsModeRefused();
  parsed.searchParams.delete("sslmode");
  return {
    connectionString: modes.length > 0 ? parsed.href : url,
    ssl: mode === "disable" ? false : (tls ?? { rejectUnauthorized: true }),
  };
}
