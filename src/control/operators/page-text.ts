// The pages of signing in: one document, one style sheet, one script; nothing comes from elsewhere, nothing is written into them.

export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in · Cordon</title>
<link rel="stylesheet" href="/sign-in.css">
<script src="/sign-in.js" defer></script>
</head>
<body>
<main>
<h1><span aria-hidden="true" class="mark"></span>cordon</h1>
<section id="login" hidden>
<h2>Sign in to this terminal?</h2>
<p>Go on only if your terminal shows this code, and you asked for it:</p>
<p id="code" class="code" tabindex="-1"></p>
<div class="row">
<button id="passkey" type="button">Sign in with a passkey</button>
<a id="oidc" class="button quiet" hidden>Sign in with your organisation</a>
</div>
</section>
<section id="enrol" hidden>
<h2>Welcome, <span id="who"></span></h2>
<p>Make a passkey on this device. It is how you sign in from now on; this link then no longer works.</p>
<div class="row"><button id="make" type="button">Make a passkey</button></div>
</section>
<section id="request" hidden>
<h2>A person is asked</h2>
<p>An agent wants to do something that needs approval. Show with your passkey who you are to see what it is.</p>
<div class="row"><button id="see" type="button">Show me, with a passkey</button></div>
<p class="soft">Without a passkey: <code>cordon grant list</code> in a terminal.</p>
</section>
<section id="asked" hidden>
<h2 id="asked-title" tabindex="-1"></h2>
<p id="asked-reason"></p>
<dl id="asked-facts"></dl>
<pre id="asked-input" tabindex="0" hidden></pre>
<div id="answers" hidden>
<p class="soft">Approving is good for exactly this call, once, within 15 minutes. Each answer is signed with your passkey.</p>
<div class="row"><button id="approve" type="button">Approve this call</button></div>
<label for="why">Why not?</label>
<input id="why" type="text" maxlength="500" autocomplete="off">
<div class="row"><button id="refuse" type="button" class="quiet">Refuse</button></div>
</div>
</section>
<section id="done" hidden>
<h2 id="done-title" tabindex="-1">Done</h2>
<p id="done-text"></p>
</section>
<section id="nothing" hidden>
<h2>Nothing to sign in to</h2>
<p>Begin in a terminal:</p>
<p class="code small">cordon login</p>
</section>
<p id="problem" role="alert" hidden></p>
<noscript><p>Signing in needs JavaScript: a passkey is asked for by the browser.</p></noscript>
</main>
</body>
</html>
`;

export const STYLE = `:root{--ink:#16202c;--soft:#526173;--ground:#f6f7f9;--card:#fff;--line:#d5dbe3;--go:#0b5fce;--on-go:#fff;--bad:#a3221c}
@media (prefers-color-scheme:dark){:root{--ink:#e8edf4;--soft:#a3b0c0;--ground:#0f151d;--card:#18212d;--line:#33415280;--go:#6ea8ff;--on-go:#0b1420;--bad:#ff9a92}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{width:min(30rem,100vw - 2rem);background:var(--card);border:1px solid var(--line);border-radius:12px;padding:2rem}
h1{margin:0 0 1.5rem;font-size:1rem;letter-spacing:.08em;color:var(--soft);display:flex;align-items:center;gap:.6rem}
.mark{width:1.1rem;height:1.1rem;border:3px solid var(--go);border-radius:50%;border-right-color:transparent}
h2{margin:0 0 .5rem;font-size:1.4rem;line-height:1.3}
p{margin:.5rem 0}
.code{font:600 1.9rem/1.4 ui-monospace,monospace;letter-spacing:.12em;text-align:center;border:1px dashed var(--line);border-radius:8px;padding:.6rem;margin:1rem 0}
.soft{color:var(--soft);font-size:.9rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1rem 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
pre{max-height:18rem;overflow:auto;border:1px solid var(--line);border-radius:8px;padding:.75rem;white-space:pre-wrap;overflow-wrap:anywhere;font:.85rem/1.5 ui-monospace,monospace}
label{display:block;margin-top:1.25rem}
input{width:100%;font:inherit;padding:.6rem .75rem;min-height:2.75rem;border:1px solid var(--line);border-radius:8px;background:transparent;color:inherit}
.code.small{font-size:1.1rem;letter-spacing:0}
.row{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.25rem}
button,.button{appearance:none;border:1px solid var(--go);border-radius:8px;background:var(--go);color:var(--on-go);font:inherit;font-weight:600;padding:.65rem 1.1rem;min-height:2.75rem;cursor:pointer;text-decoration:none}
.quiet{background:transparent;color:var(--go)}
button:disabled{opacity:.55;cursor:progress}
:focus-visible{outline:3px solid var(--go);outline-offset:2px}
#problem{color:var(--bad);border-top:1px solid var(--line);margin-top:1.25rem;padding-top:1rem}
`;

/** The fragment of the address carries what the page is for: it is never sent to a server, and taken out of the history at once. */
export const SCRIPT = `'use strict';
const at = (id) => document.getElementById(id);
const wanted = new URLSearchParams(location.hash.slice(1));
const answered = new URLSearchParams(location.search);
history.replaceState(null, '', location.pathname);
// another link in the same tab changes the fragment alone
addEventListener('hashchange', () => location.reload());

const show = (id) => { for (const one of document.querySelectorAll('section')) one.hidden = one.id !== id; };
const problem = (text) => { at('problem').textContent = text; at('problem').hidden = text === ''; };
const done = (title, text) => { at('done-title').textContent = title; at('done-text').textContent = text; show('done'); at('done-title').focus(); };

async function ask(path, body) {
  const reply = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), credentials: 'omit' });
  const json = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error([json.message || 'the control plane does not answer', (json.fix || []).map((one) => one.cmd).join(' ')].filter(Boolean).join(' - '));
  return json;
}

async function during(button, work) {
  problem('');
  button.disabled = true;
  try { await work(); } catch (error) {
    problem(error.name === 'NotAllowedError' ? 'the browser has no passkey for this, or was told no' : error.message);
  } finally { button.disabled = false; }
}

async function signIn(login) {
  const view = await ask('/sign-in/view', { login });
  at('code').textContent = view.code;
  if (view.oidc) { at('oidc').href = '/sign-in/oidc?login=' + encodeURIComponent(login); at('oidc').hidden = false; }
  show('login');
  at('passkey').addEventListener('click', () => during(at('passkey'), async () => {
    const { options } = await ask('/sign-in/challenge', { login });
    const credential = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    const { operator } = await ask('/sign-in/passkey', { login, response: credential.toJSON() });
    done('Signed in as ' + operator, 'Your terminal goes on by itself. You can close this page.');
  }));
}

async function enrol(link) {
  const { operator, options } = await ask('/sign-in/enrolment', { link });
  at('who').textContent = operator;
  show('enrol');
  at('make').addEventListener('click', () => during(at('make'), async () => {
    const credential = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
    await ask('/sign-in/enrol', { link, response: credential.toJSON() });
    done('Your passkey is made', 'Sign in from a terminal: cordon login');
  }));
}

const sign = async (options) => (await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })).toJSON();

function showRequest({ operator, grant, user, input, may_answer }) {
  at('asked-title').textContent = grant.agent + ' asks for approval';
  at('asked-reason').textContent = grant.reason;
  const facts = [['wants', grant.action + ' ' + grant.resource], ['for', user || 'itself'], ['policies', grant.policies.join(', ')], ['asked', grant.times + ' times, first ' + new Date(grant.askedAt).toLocaleString()],
    ['state', grant.state + ', until ' + new Date(grant.until).toLocaleString()], ['answered by', 'the role ' + grant.approver + ' or above'], ['you are', operator], ['digest', 'sha256:' + grant.digest]];
  at('asked-facts').replaceChildren(...facts.flatMap(([name, value]) => {
    const [term, text] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = name; text.textContent = value;
    return [term, text];
  }));
  at('asked-input').textContent = input || ''; at('asked-input').hidden = !input;
  at('answers').hidden = !may_answer;
  show('asked'); at('asked-title').focus();
}

async function seeRequest(request) {
  show('request');
  const answer = (button, body) => during(button, async () => {
    const { visit, options } = await ask('/request/begin-answer', body());
    const { state } = await ask('/request/answer', { visit, response: await sign(options) });
    done(state === 'approved' ? 'Approved' : 'Refused', state === 'approved' ? 'The agent can make this call now.' : 'The agent is told so.');
  });
  at('see').addEventListener('click', () => during(at('see'), async () => {
    const { visit, options } = await ask('/request/begin', { request });
    const view = await ask('/request/show', { visit, response: await sign(options) });
    showRequest(view);
    at('approve').addEventListener('click', () => answer(at('approve'), () => ({ id: view.grant.id, answer: 'approve' })));
    at('refuse').addEventListener('click', () => answer(at('refuse'), () => ({ id: view.grant.id, answer: 'refuse', reason: at('why').value })));
  }));
}

const plain = (name, form) => { const value = answered.get(name) || ''; return form.test(value) ? value : ''; };
const [login, link, request] = [wanted.get('login'), wanted.get('link'), wanted.get('request')];
const [signedIn, failed] = [plain('signed-in', /^[a-z0-9-]{1,63}$/), plain('problem', /^CORDON-[0-9]{4}$/)];
const start = login ? signIn(login) : link ? enrol(link) : request ? seeRequest(request) : Promise.resolve();
if (signedIn) done('Signed in as ' + signedIn, 'Your terminal goes on by itself. You can close this page.');
else if (!login && !link && !request) show('nothing');
if (failed) problem('signing in failed (' + failed + '): begin again with cordon login; an admin finds the reason in the log');
start.catch((error) => { show('nothing'); problem(error.message); });
`;
