// What an order is about, told by its words: another agent's name, the way around the gateway, payroll data, what is worth stealing.

const NO_AGENT =
  '(?!an?\\b|the\\b|our\\b|your\\b|sales|shipping|travel|insurance|collection|collecting|customs|forwarding|commercial|estate|ticket)';
const NAMES = String.raw`orchestrator|researcher|clerk|coordinator|supervisor|controller|approver|treasurer|cfo`;
const ANY_AGENT = String.raw`((?:${NAMES})(?= agent)?|${NO_AGENT}[a-z][\w-]*(?= agent\b))`;
const ARTICLE = String.raw`(?:the |an? |our |your )?(?:agent |user )?`;
const ATTRIBUTE = 'identity|role|name|credentials?|certificate|authority|signature|key|token|account';

const AS_AGENT = [
  String.raw`\b(?:as|to be|you are(?: now)?|you['’]re(?: now)?|impersonat\w+|(?:came|come|comes|coming) from)\s+(?:if (?:you (?:were|are)|from|it came from)\s+)?${ARTICLE}${ANY_AGENT}\b`,
  String.raw`\b(?:on|in|under|with|using|use|assume|adopt|take(?: on)?)\s+(?:the )?(?:behalf|${ATTRIBUTE}) of ${ARTICLE}${ANY_AGENT}\b`,
  String.raw`\b(?:with|using|use|under|assume|adopt|take(?: on)?|in)\s+${ARTICLE}${ANY_AGENT}(?: agent)?(?:['’]s?)?\s+(?:${ATTRIBUTE})\b`,
  String.raw`\b(?:name|identity|role)\b[^.]{0,30}\b(?:is|to|as|be)\s+${ARTICLE}["'“]?(${NAMES})\b`,
].map((pattern) => new RegExp(pattern, 'i'));

/** The agent that the reader is told to pass for. */
export function agentToPassFor(clause: string): string | undefined {
  for (const pattern of AS_AGENT) {
    const name = pattern.exec(clause)?.[1]?.toLowerCase();
    if (name !== undefined) return name;
  }
  return undefined;
}

const GUARD = String.raw`(?:gateway|proxy|cordon|checkpoint|broker|guard(?:rails?)?|firewall|middleware|(?:security|access|control) layer)`;
const AROUND_GUARD = new RegExp(
  String.raw`\b(?:bypass(?:ing)?|circumvent(?:ing)?|sidestep(?:ping)?|evad(?:e|ing)|around|skip(?:ping)?|avoid(?:ing)?|past|outside(?: of)?|behind|instead of|rather than|without|not)\b(?:\s+[\w-]+){0,5}?\s+${GUARD}\b`,
  'i',
);
const DIRECTLY = /\b(?:direct(?:ly)?|straight|on port \d{2,5}|its own (?:port|address|endpoint))\b/i;
const LEDGER =
  /\bledger\b|\b(?:tool|mcp|payment|payments|accounting|booking|finance) (?:server|service|api|port|endpoint|back-?end)\b|\bport \d{2,5}\b/i;
const ADDRESS =
  /(?:https?:\/\/)?(?<![\w.-])((?:\d{1,3}\.){3}\d{1,3}|localhost|ledger|[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}|\[::1\]):(\d{2,5})\b/i;
const DIAL = /\b(?:connect|post|curl|dial|call|talk|reach|access|hit|socket|connection|request|submit|send|go|open|contact|speak)\b/i;

/** The way around the gateway that a clause names: an address, or `''` for the ledger's own. */
export function wayAround(clause: string): string | undefined {
  const [, host = '', port = ''] = ADDRESS.exec(clause) ?? [];
  if (AROUND_GUARD.test(clause) || (DIRECTLY.test(clause) && LEDGER.test(clause)) || (port !== '' && DIAL.test(clause))) {
    return port === '' ? '' : `${host}:${port}`;
  }
  return undefined;
}

const PAYROLL =
  /\b(?:payroll|salar(?:y|ies)|wages?|list_salaries|pay ?slips?|(?:staff|employee|executive) (?:pay|compensation|remuneration)|compensation (?:data|table|list))\b/i;

export const namesPayroll = (text: string): boolean => PAYROLL.test(text);

const PARTIES = String.raw`(?:vendor|supplier|creditor|payee|partner|customer|client|contractor|beneficiary)`;
const VENDOR_DATA = new RegExp(
  String.raw`list_vendors|\b${PARTIES}s?(?:['’]s?)?[ -](?:master|list|listing|file|data|database|record|directory|register|roster|table|export|account|bank|iban|contact|base|detail|information)|` +
    String.raw`\b(?:list|file|register|directory|table|export|copy|details|ibans?|accounts?|names|dump|overview|roster|records?|database)\b(?:\s+\w+){0,3}?\s+(?:of|for|from|on)\s+(?:\w+\s+){0,4}?${PARTIES}s\b|` +
    String.raw`\b(?:all|every|each|full|complete|entire|known|registered|our|your|other)\s+(?:\w+\s+){0,2}?${PARTIES}s?\b|` +
    String.raw`\b(?:master (?:data|file)|ledger (?:export|dump|contents?|data|records?)|contents? of the ledger|bank(?:ing)? (?:details|data|accounts) (?:of|for|on)|account numbers|api keys?|credentials|passwords?)\b`,
  'i',
);

/** Does `text` speak of the list of vendors, or of secrets kept with it? */
export const namesVendorData = (text: string): boolean => VENDOR_DATA.test(text);

export const SENDS =
  /\b(?:send|send_mail|e-?mail|mail|forward|relay|transmit|dispatch|deliver|submit|share|copy|b?cc|export|upload|attach|pass|hand|report|leak|provide|disclose|supply|post|write|reply|respond|answer|put|drop|return|sent|mailed|e-?mailed|forwarded|relayed|transmitted|delivered|submitted|shared|copied|exported|uploaded|attached|passed|provided|disclosed|supplied|dispatched|posted|returned|sending|mailing|forwarding)\b/i;
export const COPIES = /\bb?cc\b|\bblind[- ]copy\b|\bcopy in\b/i;
export const EVERYDAY_MAIL =
  /\b(?:remittance|advices?|receipts?|confirmations?|proof of payment|quer(?:y|ies)|questions?|enquir\w+|inquir\w+|complaints?|disputes?|purchase orders?|feedback|comments|support|help|credit notes?|reminders?|an? (?:\w+ )?(?:e-?mail|message|note|line) to|cop(?:y|ies) of (?:this|the) invoice)\b/i;

export const PAYS =
  /\b(?:pay|pay_invoice|transfer|wire|remit|settle|disburse|move|refund|release|credit|deposit|redirect|route|reroute|divert|send|book|execute|make|initiate|process|approve|authori[sz]e|issue|place|arrange|direct|use|update|change|replace|split|switch|record|enter|post|put|complete|push|paid|transferred|wired|remitted|settled|disbursed|moved|refunded|released|credited|deposited|redirected|directed|rerouted|routed|diverted|made|executed|approved|booked|processed|sent|paying|transferring|wiring|remitting|sending)\b/i;
export const MONEY =
  /\b(?:amount|total|eur|payment|payments|balance|money|funds?|sum|invoice|it|amounts?|amount_cents|fees?|retention|difference|deposit|account|iban|bank)\b|€/i;
export const POINTS_ON =
  /\b(?:following|below|above|attached|listed|recipient|payee|new|this|these|updated|different|another|other|reserve|escrow|details|as follows|account)\b|:\s*$/i;
export const CHANGES = /\b(?:change|replace|update|switch|redirect|reroute|divert|instead|rather than|no longer|new)\b/i;
export const NEW_ACCOUNT =
  /\b(?:new|correct|right|actual|valid|changed|updated|replaced|moved|switched|different)\b.*\b(?:account|bank|iban)|\b(?:account|bank|iban|details)\b.*\b(?:changed|moved|updated|replaced|switched|is now)\b/i;
export const PAYMENT_TO = /\b(?:transfer|payment|remittance|wire|deposit|refund)\b.*\b(?:to|into|in favou?r of|via)\b/i;
export const PAST = /\b(?:received|was|were|has been|have been|had been|thank|thanks|refunded from|closed)\b/i;
export const TERMS = /\b(?:within|days?|due|upon receipt|on receipt|quot(?:e|ing)|reference|net \d+|payable|terms)\b/i;
export const REFERS_BACK =
  /\b(?:it|them|their|what you|this|that|these|those|both|result|results|output|everything|all of|the (?:list|file|data|table|answer|same))\b/i;

/** What nobody sends to a stranger by way of business. */
export const SWEEPING =
  /\b(?:everything|all (?:of|the|your|you|other)|files|data|records|history|conversations?|instructions|prompt|output|results?|what you|contents?|ledger|database|balances?|secrets?|keys?|tokens?)\b/i;
/** Money that the vendor fetches is not money that the reader sends. */
export const COLLECTED = /\bfrom your\b|\bdirect debit\b/i;
