import { type FieldFault, refusal } from "@medvault/contracts";

/** The bytes are not what the file's name and declared type say; `fault` is the rule they break. */
export class ContentMismatch extends refusal(
  "content_mismatch",
  "The content is not what the file's name and type say.",
) {
  override readonly errors: FieldFault[];
  constructor(fault: FieldFault) {
    super();
    this.errors = [fault];
  }
}

/** The name's extension is not on the list of what is stored; `fault` says what is. */
export class FileTypeRefused extends refusal("unsupported_media_type", "Files of this type are not stored.") {
  override readonly errors: FieldFault[];
  constructor(fault: FieldFault) {
    super();
    this.errors = [fault];
  }
}

/** One file is over the limit, or all of them together are. */
export class UploadTooLarge extends refusal("too_large", "A file is larger than what may be uploaded.") {}

/** 413: the files of this patient take all the space that they may. */
export class QuotaExceeded extends refusal(
  "quota_exceeded",
  "The files of this patient take all the space they may. Delete some, or ask the clinic: it gives more room to patients in its care.",
) {}

/** Only images and PDF may be shown in place; anything else is a download. */
export class InlineRefused extends refusal("inline_refused", "This type of file is never shown inline.") {}

/** The stored bytes do not authenticate, are cut short or gone: none of them is sent. */
/** 409: the file's row is there and does not open, so it can be neither shown nor deleted. */
export class RowDamaged extends refusal(
  "row_damaged",
  "This file's entry was damaged in the database and does not open. Ask an operator to restore it.",
) {}

export class ContentDamaged extends refusal("content_damaged", "The stored content is damaged.") {}

/** The range lies beyond the end. */
export class RangeNotSatisfiable extends refusal("range_not_satisfiable") {}
