import { AppError } from "@medvault/contracts";

/** The bytes are not what the file's name and declared type say. */
export class ContentMismatch extends AppError {
  readonly code = "content_mismatch";
  readonly kind = "unsupported_media_type";
  constructor() {
    super("The content is not what the file's name and type say.");
  }
}

/** The name's extension is not on the list of what is stored. */
export class FileTypeRefused extends AppError {
  readonly code = "unsupported_media_type";
  readonly kind = "unsupported_media_type";
  constructor() {
    super("Files of this type are not stored.");
  }
}

/** One file is over the limit, or all of them together are. */
export class UploadTooLarge extends AppError {
  readonly code = "too_large";
  readonly kind = "too_large";
  constructor() {
    super("A file is larger than what may be uploaded.");
  }
}

/** Only images and PDF may be shown in place; anything else is a download. */
export class InlineRefused extends AppError {
  readonly code = "inline_refused";
  readonly kind = "invalid";
  constructor() {
    super("This type of file is never shown inline.");
  }
}

/** The stored bytes do not authenticate, are cut short or gone: none of them is sent. */
export class ContentDamaged extends AppError {
  readonly code = "content_damaged";
  readonly kind = "internal";
  constructor() {
    super("The stored content is damaged.");
  }
}

/** The range lies beyond the end. */
export class RangeNotSatisfiable extends AppError {
  readonly code = "range_not_satisfiable";
  readonly kind = "range_not_satisfiable";
}
