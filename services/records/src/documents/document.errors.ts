import { AppError } from "@medvault/contracts";
import type { DocumentPasswordFault } from "./document-password.ts";

const IN_WORDS: Readonly<Record<DocumentPasswordFault, string>> = {
  too_short: "must have 12 characters or more",
  too_long: "must have 127 bytes at most, as UTF-8",
  common_password: "is made of words that many people use",
  common_pattern: "is made of patterns, such as rows of keys, years or repetitions",
  like_username: "is made of the patient's names or birth date",
};

/** 400: the password would not protect the document. */
export class WeakDocumentPassword extends AppError {
  readonly code = "weak_password";
  readonly kind = "invalid";
  constructor(faults: readonly DocumentPasswordFault[]) {
    super("This password would not protect the document. Choose another one, or leave it out and get one.", {
      errors: faults.map((code) => ({ path: "password", code, message: IN_WORDS[code] })),
    });
  }
}
