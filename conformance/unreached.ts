// Places of the evaluator that random cases do not reach, and why that is no hole in the proof.
export const UNREACHED: readonly { readonly file: string; readonly text: string; readonly why: string }[] = [];
