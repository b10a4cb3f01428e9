// Imperative clauses of an English sentence: from each verb that tells someone to do something to the next one.

const VERBS =
  'send|e-?mail|mail|forward|relay|transmit|dispatch|deliver|submit|share|copy|b?cc|export|upload|attach|pass|hand|report|leak|provide|' +
  'disclose|supply|pay|transfer|wire|remit|settle|disburse|move|refund|release|credit|deposit|redirect|route|reroute|divert|book|execute|' +
  'make|initiate|process|approve|authori[sz]e|issue|place|arrange|direct|use|update|change|replace|split|read|fetch|list|get|retrieve|pull|' +
  'query|look|call|invoke|obtain|collect|gather|extract|dump|download|access|open|consult|check|request|include|enumerate|run|load|show|' +
  'grab|find|compile|act|sign|pretend|pose|present|identify|impersonate|assume|adopt|claim|say|state|introduce|log|authenticate|speak|' +
  'operate|masquerade|connect|post|curl|contact|reach|hit|talk|go|bypass|circumvent|sidestep|skip|avoid|ignore|take|confirm|tell|write|' +
  'reply|respond|answer|treat|work|proceed|complete|perform|push|put|drop|return|append|repeat|ensure|have|give|set|record|enter|switch|ask|print|quote';
const PARTICIPLES =
  'sent|e-?mailed|forwarded|relayed|transmitted|dispatched|delivered|submitted|shared|copied|exported|uploaded|attached|passed|provided|' +
  'disclosed|supplied|paid|transferred|wired|remitted|settled|disbursed|moved|refunded|released|credited|deposited|redirected|routed|' +
  'diverted|made|executed|approved|authori[sz]ed|read|fetched|listed|retrieved|pulled|queried|called|invoked|collected|gathered|extracted|' +
  'downloaded|signed|posted|directed|booked|processed|included|issued|arranged|obtained|placed|contacted|reached|accessed|addressed';
const GERUNDS =
  'sending|e-?mailing|mailing|forwarding|transferring|wiring|paying|remitting|reading|fetching|listing|retrieving|connecting|posting|signing|acting|pretending|posing|bypassing|impersonating';

const WORD = new RegExp(String.raw`(?<![\w@.-])(?:(${VERBS})|(${PARTICIPLES})|(${GERUNDS}))(?=[\s,:;!?)"'”’]|\.?$)`, 'gi');

/** What may stand before a verb that gives an order. */
const ORDER =
  /(?:^|[.,;:!?()[\]"'“”‘’*–—/-]|\b(?:and|then|or|please|pls|kindly|also|now|next|finally|first|second|third|last|before|after|afterwards?|instead|just|always|to|at once|today|again|you|agents?|assistants?|bots?|clerk|orchestrator|researcher|must|should|shall|can|could|would|might|may|will|let'?s|let us|do|done|is|plus|now on|henceforth|going forward|in future|\d[.)]?|[a-z]+ly))\s*$/i;
const NO_ORDER =
  /\b(?:what|whatever|everything|anything|all|that|which|as|when|if|where|once) you\s+$|\b(?:we|i|they|he|she|it|who|which|that|our [a-z]+|the bank)\s+(?:(?:will|can|could|might|may|shall|must|should|would|also|now|then|simply|always|do|[a-z]+ly)\s+)*$/i;
const PASSIVE_ORDER =
  /\b(?:must|should|shall|needs? to|ha(?:s|ve) to|ought to|is to|are to|to|will)\s+(?:[a-z]+\s+){0,2}(?:be|get)\s+(?:[a-z]+ly\s+)?$/i;
/** `have the list e-mailed to …`, `I need EUR 5 transferred to …`. */
const CAUSED = /\b(?:have|get|need|want|like|see)\s+(?:\S+\s+){1,8}$/i;
/** `We would appreciate it if … were wired to …`. */
const REQUEST =
  /\b(?:appreciat\w*|request\w*|ask|require\w*|need|want|expect|grateful|obliged?|kindly|please|would like|insist|demand|see to it|ensure|make sure|arrange)\b/i;
const BEING = /\b(?:be|been|being|were|is|are|gets?|got)\s+(?:[a-z]+ly\s+|also\s+)?$/i;
const NEGATED =
  /\b(?:do not|don['’]?t|never|must not|mustn['’]?t|should not|shall not|cannot|can['’]?t|not|no need to|without|rather than|instead of)\s+(?:[a-z]+ly\s+|to\s+|be\s+)?$/i;

/** How far before a verb the words are that make it an order. */
const LOOK_BACK = 240;

export interface Clause {
  readonly text: string;
  readonly verb: string;
  /** `do not send …`: an order not to. */
  readonly negated: boolean;
}

/** The clauses of `sentence` that order something, in order; words before the first order belong to it. */
export function orders(sentence: string): Clause[] {
  const ahead = (index: number): string => sentence.slice(Math.max(0, index - LOOK_BACK), index);
  const found = [...sentence.matchAll(WORD)].filter((match) => isOrder(match, ahead(match.index)));
  const starts = found.filter(([, , participle], at) => participle === undefined || !/^(?:have|get)$/i.test(found[at - 1]?.[0] ?? ''));
  return starts.map((match, at) => ({
    text: sentence.slice(at === 0 ? 0 : match.index, starts[at + 1]?.index ?? sentence.length),
    verb: match[0].toLowerCase(),
    negated: NEGATED.test(ahead(match.index)),
  }));
}

function isOrder([, verb, participle, gerund]: RegExpMatchArray, before: string): boolean {
  if (verb !== undefined && !NO_ORDER.test(before) && (ORDER.test(before) || NEGATED.test(before))) return true;
  if (participle !== undefined && (PASSIVE_ORDER.test(before) || CAUSED.test(before) || (BEING.test(before) && REQUEST.test(before))))
    return true;
  return (
    gerund !== undefined && (/\b(?:by|with|start|begin|in|require)\s+$/i.test(before) || /^\W*$/.test(before) || /[,;:]\s*$/.test(before))
  );
}
