/**
 * One class per refusal, shaped like the contracts' AppError (`code`, `kind`), which this lib must
 * not import. Messages are fixed: no key, no content of a file or an environment variable.
 */
export abstract class KeysError extends Error {
  abstract readonly code: string;
  abstract readonly kind: string;

  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** Declares a refusal by its code, and by its text where that is the same each time. */
function refusal<const C extends string>(code: C, text = "", kind = "internal") {
  return class extends KeysError {
    readonly code: C = code;
    readonly kind = kind;
    constructor(message = text) {
      super(message);
    }
  };
}

/** How a key file comes back; in the words of docs/runbooks/keys.md, "A key file is lost". */
const PUT_BACK =
  "Put the right file back, from a copy or from its shares: npm run keys -- recover <share files>; then start again (docs/runbooks/keys.md).";

export class KeyFileMissing extends refusal("key_file_missing") {
  constructor(path: string) {
    super(
      `There is no key file at ${path}. Where this service has data, no other key opens it. ${PUT_BACK} For a new installation npm start makes it, or node tools/make-keys.ts.`,
    );
  }
}

/** The tables hold keys that this key does not open. `faults` name versions, never values. */
export class KeysDoNotFit extends refusal("keys_do_not_fit") {
  constructor(service: string, where: string, faults: readonly string[]) {
    super(
      `The service keys of ${service} from ${where} are not those of its tables: ${faults.join("; ")}. No key was made or replaced. ${PUT_BACK}`,
    );
  }
}

/** Which keys of two documents are the same cannot be seen: Vault wraps them in one of the two. */
export class KeysNotComparable extends refusal("keys_not_comparable") {
  constructor(path: string) {
    super(
      `The keys in ${path} and in its shares are not wrapped by the same Vault, so that they cannot be joined; nothing was changed. Move the file aside, recover, and see by keys doctor which of the two opens what.`,
    );
  }
}

/** A running process keeps the keys that it has: the file in their place opens less. */
export class KeyFileReplaced extends refusal("key_file_replaced") {
  constructor(path: string, version: number) {
    super(
      `The key file ${path} was replaced by one without the key that is version ${version}; this process goes on with what it had. ${PUT_BACK}`,
    );
  }
}

export class KeyFileTooOpen extends refusal("key_file_too_open") {
  constructor(path: string) {
    super(
      `The key file ${path} can be read by others. \`chmod 600\` it; if others could log in, rotate its keys.`,
    );
  }
}

export class KeyFileUnreadable extends refusal("key_file_unreadable") {
  constructor(path: string) {
    super(`The key file ${path} is not a file that this user owns and may read.`);
  }
}

/** The key document is damaged. `faults` are places in it, never values. */
export class KeyDocumentInvalid extends refusal("key_document_invalid") {
  constructor(where: string, faults: readonly string[]) {
    super(`The service keys from ${where} are not usable: ${faults.join("; ")}. ${PUT_BACK}`);
  }
}

export class KeysOfAnotherService extends refusal("keys_of_another_service") {
  constructor(where: string, service: string, other: string) {
    const whose = /^[a-z]+$/.test(other) ? other : "another service"; // no content of a file that is none of ours
    super(
      `The service keys from ${where} are those of ${whose}, not those of ${service}: were two files exchanged? ${PUT_BACK}`,
    );
  }
}

export class NoKeySource extends refusal("no_key_source") {
  constructor(service: string) {
    super(`No service keys for ${service}: set MEDVAULT_KEYS_FILE or MEDVAULT_KEYS, one of them.`);
  }
}

export class KeyVersionUnknown extends refusal(
  "key_version_unknown",
  "A key is wrapped by a version of the service key that this process does not know.",
) {}

export class KeyVersionDestroyed extends refusal(
  "key_version_destroyed",
  "A key is wrapped by a version of the service key that was destroyed.",
) {}

const VAULT_REFUSALS: Readonly<Record<number, string>> = {
  0: "Vault did not answer as it should: look at its URL and its token file.",
  307: "Vault answered 307: this node is a standby that does not forward. Name the active one's address.",
  400: "Vault refused with HTTP status 400: the transit key is not there, is another, or its min_decryption_version is too high.",
  403: "Vault refused with HTTP status 403: the token has expired, or its policy does not allow this.",
  404: "Vault refused with HTTP status 404: look at the mount, the namespace and the name of the transit key.",
  429: "Vault refused with HTTP status 429: a rate limit. Try again later.",
  503: "Vault refused with HTTP status 503: it is sealed, or down for maintenance.",
};

/** Vault did not unwrap or make a key. `status` is its HTTP status, 0 without one; no words. */
export class VaultRefused extends refusal("vault_refused") {
  readonly status: number;
  constructor(status: number) {
    super(VAULT_REFUSALS[status] ?? `Vault refused with HTTP status ${status}.`);
    this.status = status;
  }
}

/** The version that wraps now can be neither retired nor destroyed. */
export class KeyVersionActive extends refusal("key_version_active") {
  constructor(version: number) {
    super(`Version ${version} is the active one: rotate first.`);
  }
}

/** Transactions that write keys left no moment in which to look at all of them. */
export class KeyTablesBusy extends refusal(
  "unavailable",
  "Writers keep the key tables busy (an import, perhaps); nothing has changed. Try again later.",
  "unavailable",
) {}

/** Something still needs the version: `needs` says what and how many. */
export class KeyVersionNeeded extends refusal("key_version_needed") {
  readonly needs: readonly { readonly what: string; readonly count: number }[];
  constructor(version: number, needs: KeyVersionNeeded["needs"]) {
    super(
      `Version ${version} is still needed by ${needs.map(({ what, count }) => `${count} ${what}`).join(", ")}.`,
    );
    this.needs = needs;
  }
}

/** Two changes of one key file at once: the second is refused, and can be made again. */
export class KeyFileChanged extends refusal("key_file_changed") {
  constructor(path: string) {
    super(`The key file ${path} was changed by another process meanwhile; nothing was written. Try again.`);
  }
}

/** A key of this name was retired or destroyed and no active one stands in its place. */
export class NoActiveKey extends refusal("no_active_key", "There is no active key of that name.") {}

/** A sealed table's declaration, or an object for it, does not fit. Names fields, never values. */
export class DeclarationFault extends refusal("declaration_fault") {}

/** The operator's field policy cannot be followed: all `faults`, by their places, never values. */
export class PolicyInvalid extends refusal("policy_invalid") {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(`The field policy cannot be followed: ${faults.join("; ")}.`);
    this.faults = faults;
  }
}

/** A share that is none, or one that was changed. */
export class ShareInvalid extends refusal(
  "share_invalid",
  "A share is damaged, or is no share; nothing was recovered.",
  "invalid",
) {}

export class SharesOfAnotherSet extends refusal(
  "shares_of_another_set",
  "The shares are not all of one set; nothing was recovered.",
  "invalid",
) {}

export class SharesTooFew extends refusal("shares_too_few", undefined, "invalid") {
  constructor(given: number, threshold: number) {
    super(`${given} different shares are too few: it takes ${threshold} of the set.`);
  }
}

/** Sealing or opening by worker threads failed as a whole; nothing came of it. */
export class SealPoolFailed extends refusal(
  "unavailable",
  "The rows could not be sealed or opened now. Try again shortly.",
  "unavailable",
) {
  readonly retryAfterSeconds = 2;
}

export class IdempotencyKeyInvalid extends refusal(
  "invalid_input",
  "The Idempotency-Key header is not usable.",
  "invalid",
) {
  readonly errors = [{ path: "Idempotency-Key", message: "1 to 200 visible ASCII characters" }];
}

export class IdempotencyKeyReused extends refusal(
  "idempotency_key_reused",
  "This Idempotency-Key was used with another body. Use a new key.",
  "unprocessable",
) {}

export class RequestInProgress extends refusal(
  "request_in_progress",
  "The first request with this Idempotency-Key is still under way. Send it again in a moment.",
  "conflict",
) {
  readonly retryAfterSeconds = 2;
}

export class AnswerTooLarge extends refusal(
  "answer_too_large",
  "The answer is too large to be kept for a repeated request.",
) {}

/** A command's policy indexes less than the services do: searches would miss what it writes. */
export class IndexPolicyDiffers extends refusal("index_policy_differs", undefined, "conflict") {
  constructor(names: readonly string[]) {
    super(
      `The services search by ${names.join(", ")}, which the policy given here does not index: set MEDVAULT_POLICY_FILE as they have it, or restart them under the new policy first.`,
    );
  }
}
