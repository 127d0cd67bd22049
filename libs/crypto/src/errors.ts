/**
 * One class per refusal. Messages are fixed, with nothing of a key, a box or its content. `code`
 * and `kind` have the shape of contracts' AppError, so that a caller needs no import to map them.
 */
export abstract class CryptoRefusal extends Error {
  abstract readonly code: string;
  readonly kind: string = "internal";
  /** The message of every error of this class that is given no other. */
  static readonly text: string = "";

  constructor(message = new.target.text) {
    super(message);
    this.name = new.target.name;
  }
}

/** A row box that does not open. Its subclasses say why; most callers catch BoxRefused. */
export class BoxRefused extends CryptoRefusal {
  readonly code: string = "box_refused";
  static override readonly text: string = "the sealed row does not open";
}

export class BoxTruncated extends BoxRefused {
  override readonly code = "box_truncated";
  static override readonly text = "the sealed row is shorter than its header and tag";
}

export class BoxFormatUnknown extends BoxRefused {
  override readonly code = "box_format_unknown";
  static override readonly text = "the sealed row is of an unknown format";
}

export class BoxSuiteUnknown extends BoxRefused {
  override readonly code = "box_suite_unknown";
  static override readonly text = "the sealed row names an unknown cipher suite";
}

export class BoxKeyVersionMismatch extends BoxRefused {
  override readonly code = "box_key_version_mismatch";
  static override readonly text = "the sealed row was sealed under another version of its subject's key";
}

/** The key, the place (service, table, row) or the suite is not the one of the sealing. */
export class BoxCommitmentMismatch extends BoxRefused {
  override readonly code = "box_commitment_mismatch";
  static override readonly text = "the sealed row was sealed under another key, suite or place";
}

/** The key is right, but the box, its revision, its subject or a column beside it was changed. */
export class BoxForged extends BoxRefused {
  override readonly code = "box_forged";
  static override readonly text = "the sealed row or what stands beside it was changed";
}

/** A wrapped key that does not unwrap. */
export class WrappedKeyRefused extends CryptoRefusal {
  readonly code: string = "wrapped_key_refused";
  static override readonly text: string = "the wrapped key does not unwrap";
}

export class WrappedKeyTruncated extends WrappedKeyRefused {
  override readonly code = "wrapped_key_truncated";
  static override readonly text = "the wrapped key is not as long as its format says";
}

export class WrappedKeyFormatUnknown extends WrappedKeyRefused {
  override readonly code = "wrapped_key_format_unknown";
  static override readonly text = "the wrapped key is of an unknown format or suite";
}

export class WrappedKeyCommitmentMismatch extends WrappedKeyRefused {
  override readonly code = "wrapped_key_commitment_mismatch";
  static override readonly text = "the wrapped key belongs to another service key or another place";
}

export class WrappedKeyForged extends WrappedKeyRefused {
  override readonly code = "wrapped_key_forged";
  static override readonly text = "the wrapped key was changed";
}

/** A key of the wrong length, or of the wrong type. */
export class KeyInvalid extends CryptoRefusal {
  readonly code = "key_invalid";
  static override readonly text = "the key is not of the length or type that this operation needs";
}

/** A value without canonical JSON: NaN, an infinity, a lone surrogate, a cycle, or nothing. */
export class NotCanonicalJson extends CryptoRefusal {
  readonly code = "not_canonical_json";
  override readonly kind = "invalid";
  static override readonly text = "the value has no canonical JSON form";
}

/** A revision, version or identifier outside of what the format can carry. */
export class FieldOutOfRange extends CryptoRefusal {
  readonly code = "field_out_of_range";
  constructor(field: string) {
    super(`${field} is outside of what the format can carry`);
  }
}

/** A suite or digest refused at start, and why. `algorithm` is an operator's setting, no secret. */
export class AlgorithmRefused extends CryptoRefusal {
  readonly code = "algorithm_refused";
  constructor(algorithm: string, reason: string) {
    super(`${algorithm} is refused: ${reason}`);
  }
}

/** A value too long to be indexed or searched for. */
export class IndexValueTooLong extends CryptoRefusal {
  readonly code = "index_value_too_long";
  override readonly kind = "invalid";
  static override readonly text = "the value is too long to be indexed";
}

/** A chunked message that does not decrypt. Its subclasses say why. */
export abstract class ChunkedRefused extends CryptoRefusal {}

export class ChunkedTruncated extends ChunkedRefused {
  readonly code = "chunked_truncated";
  static override readonly text = "the encrypted message ends before its last chunk";
}

export class ChunkedCommitmentMismatch extends ChunkedRefused {
  readonly code = "chunked_commitment_mismatch";
  static override readonly text = "the encrypted message belongs to another key or context";
}

/** A chunk that was changed, dropped, doubled, swapped, or added after the last one. */
export class ChunkForged extends ChunkedRefused {
  readonly code = "chunk_forged";
  static override readonly text = "a chunk of the encrypted message was changed or moved";
}

export class ChunkedTooLong extends ChunkedRefused {
  readonly code = "chunked_too_long";
  static override readonly text = "the message has more chunks than the format allows";
}

export class ChunkedRangeInvalid extends ChunkedRefused {
  readonly code = "chunked_range_invalid";
  override readonly kind = "invalid";
  static override readonly text = "the range is not within the message";
}

/** What a file is written to takes no more bytes, and does not say why. */
export class NothingWritten extends CryptoRefusal {
  readonly code = "nothing_written";
  override readonly kind = "unavailable";
  static override readonly text = "the target of a file takes no more bytes";
}

/** A Fernet token that does not open. Its subclasses say why. */
export abstract class FernetRefused extends CryptoRefusal {
  override readonly kind = "invalid";
}

/** Not base64url, too short, of another version, or with a ciphertext that is not whole blocks. */
export class FernetMalformed extends FernetRefused {
  readonly code = "fernet_malformed";
  static override readonly text = "the text is not a Fernet token";
}

/** Made or changed by someone without the key, or made with another key. */
export class FernetForged extends FernetRefused {
  readonly code = "fernet_forged";
  static override readonly text = "the Fernet token was not made with this key, or was changed";
}

export class FernetFromFuture extends FernetRefused {
  readonly code = "fernet_from_future";
  static override readonly text = "the Fernet token was made later than now";
}

export class FernetExpired extends FernetRefused {
  readonly code = "fernet_expired";
  static override readonly text = "the Fernet token is older than is allowed";
}

/** The HMAC is right, the padding is not: made with the key, by a faulty program. */
export class FernetPaddingInvalid extends FernetRefused {
  readonly code = "fernet_padding_invalid";
  static override readonly text = "the content of the Fernet token is not padded as it must be";
}
