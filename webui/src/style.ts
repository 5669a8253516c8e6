import { css } from "lit";

const dark = css`
  --bg: #121413; --surface: #1a1d1c; --raised: #222625; --ink: #edebe6; --muted: #a5a29b; --line: #303533; --strong: #5a615e;
  --accent: #58d3c2; --on-accent: #06211e; --accent-soft: #16332f;
  --live: #5fd39a; --live-soft: #15301f; --closing: #f0b35a; --closing-soft: #38290f; --closed: #b3bac6; --closed-soft: #282c31;
  --deleting: #ff948a; --deleting-soft: #3d1d1a; --protected: #a9adff; --protected-soft: #262a4d; --shadow: 0 12px 40px -12px #000000a0;`;

export const style = css`
  :host {
    --bg: #f5f4f0; --surface: #fff; --raised: #faf9f6; --ink: #1d1c1a; --muted: #65625c; --line: #e2dfd7; --strong: #928e85;
    --accent: #0b6b63; --on-accent: #fff; --accent-soft: #e0efec;
    --live: #0a6f45; --live-soft: #dff1e7; --closing: #8a5200; --closing-soft: #fbecd2; --closed: #545b66; --closed-soft: #ebecee;
    --deleting: #b3261e; --deleting-soft: #fbe4e1; --protected: #4146b8; --protected-soft: #e7e8fb; --shadow: 0 12px 40px -16px #00000038;
    --r: .85rem; color-scheme: light;
    display: block; background: var(--bg); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
    font-variant-numeric: tabular-nums; overflow-wrap: anywhere; -webkit-text-size-adjust: 100%;
  }
  :host([dark]) { color-scheme: dark; ${dark} }
  *, *::before, *::after { box-sizing: border-box; }
  h1, h2, h3, p, ul, ol, dl, dd, figure { margin: 0; padding: 0; }
  ul, ol { list-style: none; }
  svg { display: block; flex: none; }
  .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .5rem; }
  .muted { color: var(--muted); }
  a { color: var(--accent); text-underline-offset: .15em; }
  bdi { unicode-bidi: isolate; }

  /* Frame */
  header { position: sticky; top: 0; z-index: 5; background: color-mix(in srgb, var(--bg) 88%, transparent); backdrop-filter: blur(10px); border-bottom: 1px solid var(--line); }
  .bar { max-width: 72rem; margin: 0 auto; padding: .5rem clamp(.75rem, 3vw, 1.5rem); display: flex; align-items: center; gap: .75rem; min-height: 3.5rem; }
  .brand { font-weight: 700; letter-spacing: -.01em; display: flex; align-items: center; gap: .55rem; margin-right: auto; min-width: 0; }
  .brand svg { color: var(--accent); }
  .brand .title { white-space: nowrap; }
  .brand .who { font-weight: 400; color: var(--muted); font-size: .85rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  nav ul { display: flex; gap: .25rem; }
  nav a { display: flex; align-items: center; gap: .5rem; padding: .5rem .85rem; border-radius: .6rem; color: var(--muted); text-decoration: none; font-weight: 550; white-space: nowrap; }
  nav a:hover { color: var(--ink); background: var(--raised); }
  nav a[aria-current] { color: var(--ink); background: var(--surface); box-shadow: 0 0 0 1px var(--line); }
  nav svg { width: 1.15rem; height: 1.15rem; }
  main { max-width: 72rem; margin: 0 auto; padding: clamp(1.1rem, 4vw, 2.5rem) clamp(.75rem, 3vw, 1.5rem) 6rem; }
  .pulse { display: inline-flex; align-items: center; gap: .4rem; font-size: .8rem; color: var(--muted); white-space: nowrap; }
  .pulse i { width: .55rem; height: .55rem; border-radius: 50%; background: var(--strong); }
  .pulse.on i { background: var(--live); box-shadow: 0 0 0 3px var(--live-soft); }

  /* The sentence */
  .sentence { font-size: clamp(1.5rem, 1.05rem + 2.2vw, 2.5rem); line-height: 1.22; font-weight: 650; letter-spacing: -.025em; text-wrap: balance; max-width: 30ch; }
  .sentence b { font-weight: inherit; box-shadow: inset 0 -.42em var(--mark, transparent); }
  .sentence .open { --mark: var(--live-soft); } .sentence .near { --mark: var(--closing-soft); } .sentence .gone { --mark: var(--deleting-soft); }
  .lead { color: var(--muted); margin-top: .5rem; }
  section { margin-top: clamp(1.5rem, 4vw, 2.25rem); }
  section:first-child { margin-top: 0; }
  h2 { font-size: 1.05rem; font-weight: 650; letter-spacing: -.01em; margin-bottom: .7rem; display: flex; align-items: center; gap: .6rem; flex-wrap: wrap; }
  h2 small { font-weight: 400; color: var(--muted); font-size: .85rem; }

  /* Controls */
  button, .button { font: inherit; font-weight: 550; color: var(--ink); background: var(--surface); border: 1px solid var(--line); border-radius: .6rem; padding: .4rem .8rem; min-height: 2.4rem; display: inline-flex; align-items: center; justify-content: center; gap: .45rem; cursor: pointer; text-decoration: none; white-space: nowrap; }
  button:hover, .button:hover { border-color: var(--strong); }
  button:disabled, button[aria-busy] { opacity: .55; cursor: default; }
  button svg, .button svg { width: 1.05rem; height: 1.05rem; }
  .primary { background: var(--accent); color: var(--on-accent); border-color: var(--accent); }
  .primary:hover { filter: brightness(1.08); border-color: var(--accent); }
  .danger { color: var(--deleting); }
  .danger.primary { background: var(--deleting); border-color: var(--deleting); color: var(--surface); }
  .ghost { background: transparent; border-color: transparent; font-weight: 500; }
  .ghost svg { color: var(--muted); }
  .ghost.danger svg { color: inherit; }
  .ghost:hover { background: var(--raised); border-color: var(--line); }
  .icon { padding: .4rem; min-width: 2.4rem; }
  input, select { font: inherit; color: var(--ink); background: var(--surface); border: 1px solid var(--strong); border-radius: .6rem; padding: .4rem .7rem; min-height: 2.4rem; width: 100%; min-width: 0; font-weight: 400; }
  input:disabled { color: var(--muted); background: var(--raised); border-style: dashed; cursor: default; }
  input[type="checkbox"], input[type="radio"] { width: 1.15rem; height: 1.15rem; min-height: 0; accent-color: var(--accent); margin: 0; flex: none; }
  input[type="range"] { padding: 0; border: 0; background: none; accent-color: var(--accent); }
  label.field { display: grid; gap: .25rem; font-size: .85rem; font-weight: 550; min-width: 0; }
  ::placeholder { color: var(--muted); opacity: 1; }
  .tools { display: flex; gap: .6rem; flex-wrap: wrap; align-items: end; margin-bottom: .9rem; }
  .tools .search { flex: 1 1 16rem; position: relative; }
  .tools .search svg { position: absolute; left: .7rem; bottom: .65rem; width: 1.1rem; color: var(--muted); pointer-events: none; }
  .tools .search input { padding-left: 2.2rem; }
  .tools label.field { flex: 0 1 12rem; }
  label.field small { font-weight: 400; }
  dialog label.field + label.field { margin-top: .75rem; }

  /* Rows */
  .card { background: var(--surface); border: 1px solid var(--line); border-radius: var(--r); overflow: clip; }
  .stale { opacity: .5; filter: grayscale(1); }
  .row { display: grid; grid-template-columns: auto auto minmax(8rem, 1fr) minmax(0, 19rem) auto; gap: .35rem .9rem; align-items: center; padding: .7rem .9rem; }
  .row + .row, li + li > .row { border-top: 1px solid var(--line); }
  .row:hover { background: var(--raised); }
  .row.picked { background: var(--accent-soft); }
  .row.plain { grid-template-columns: auto minmax(0, 1fr) auto; }
  .row.split { grid-template-columns: minmax(0, 1fr) minmax(0, 1.4fr) auto; }
  .row.split .legend { margin-top: .3rem; }
  .row.split .total { min-width: 7rem; text-align: end; }
  .pick { display: grid; place-items: center; min-width: 2rem; min-height: 2.75rem; cursor: pointer; }
  .name { font-weight: 600; letter-spacing: -.005em; display: block; }
  .name, .meta span { overflow: hidden; text-overflow: ellipsis; }
  .name bdi { display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; }
  .meta { color: var(--muted); font-size: .85rem; display: flex; flex-wrap: wrap; gap: 0 .7rem; }
  .pick input, .pick-all input { width: 1.5rem; height: 1.5rem; }
  .owner { display: inline-flex; align-items: center; min-width: 1.5rem; min-height: 1.5rem; }
  .tag { display: inline-flex; align-items: center; justify-content: center; min-width: 1.75rem; min-height: 1.75rem; box-sizing: border-box; color: inherit; border: 1px solid var(--line); border-radius: .4rem; padding: 0 .4rem; text-decoration: none; overflow-wrap: anywhere; }
  .tag:hover, .tag:focus-visible { background: var(--raised); text-decoration: underline; }
  .state { font-size: .9rem; }
  .until { display: inline-block; }
  .warning { display: block; color: var(--muted); font-size: .85rem; }
  .pill { display: inline-flex; align-items: center; padding: .05rem .55rem; border-radius: 2rem; font-size: .8rem; font-weight: 600; border: 1px solid transparent; color: var(--c); background: var(--s); white-space: nowrap; }
  .live { --c: var(--live); --s: var(--live-soft); } .closing { --c: var(--closing); --s: var(--closing-soft); } .closed { --c: var(--closed); --s: var(--closed-soft); }
  .deleting { --c: var(--deleting); --s: var(--deleting-soft); } .protected { --c: var(--protected); --s: var(--protected-soft); }
  .ring { width: 2.1rem; height: 2.1rem; color: var(--c); }
  .ring .track { stroke: var(--s); }
  .acts { display: flex; gap: .35rem; justify-content: end; }
  .soon { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: .75rem; }
  .soon li { background: var(--surface); border: 1px solid var(--line); box-shadow: inset 4px 0 var(--c); border-radius: var(--r); padding: .8rem .9rem .8rem 1.1rem; display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .3rem .8rem; align-items: center; }
  .soon li .acts button { padding-inline: .45rem; font-size: .9rem; }
  .soon li { align-content: start; }
  .soon li .acts { grid-column: 1 / -1; justify-content: start; flex-wrap: wrap; gap: 0; margin-inline-start: -.45rem; }
  .foot { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .75rem; padding: .6rem .9rem; border-top: 1px solid var(--line); color: var(--muted); }
  .bulk { position: sticky; bottom: .75rem; z-index: 4; margin-top: .75rem; background: var(--ink); color: var(--bg); border-radius: var(--r); padding: .55rem .7rem .55rem 1rem; display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; box-shadow: var(--shadow); }
  .bulk strong { margin-right: auto; font-weight: 600; }
  .bulk button { background: transparent; color: inherit; border-color: color-mix(in srgb, var(--bg) 35%, transparent); }
  .bulk :focus-visible { outline-color: var(--bg); }
  .bulk button:hover { border-color: var(--bg); }

  /* States */
  .empty { text-align: center; padding: clamp(2rem, 8vw, 4rem) 1rem; display: grid; gap: .4rem; justify-items: center; }
  .empty > svg { width: 3.5rem; height: 3.5rem; color: var(--strong); margin-bottom: .4rem; }
  .empty strong, .empty h1 { font-size: 1.1rem; font-weight: 650; }
  .empty p { color: var(--muted); max-width: 34ch; }
  .empty .button, .empty button { margin-top: .8rem; }
  .skeleton { display: grid; gap: 1px; }
  .skeleton i { height: 4rem; background: linear-gradient(90deg, var(--raised), var(--line), var(--raised)); background-size: 200% 100%; animation: shimmer 1.6s linear infinite; }
  @keyframes shimmer { to { background-position: -200% 0; } }
  .banner { display: flex; gap: .75rem; align-items: center; flex-wrap: wrap; padding: .7rem .95rem; border-radius: var(--r); background: var(--closing-soft); border: 1px solid color-mix(in srgb, var(--closing) 40%, transparent); margin-bottom: 1.25rem; }
  .banner svg { color: var(--closing); width: 1.3rem; height: 1.3rem; }
  .banner p { flex: 1 1 14rem; }
  .banner.bad { background: var(--deleting-soft); border-color: color-mix(in srgb, var(--deleting) 40%, transparent); }
  .banner.bad svg { color: var(--deleting); }

  /* Dialogs and messages */
  dialog { color: var(--ink); background: var(--surface); border: 1px solid var(--line); border-radius: 1.1rem; padding: 1.4rem; width: min(30rem, calc(100vw - 1.5rem)); max-height: calc(100dvh - 2rem); box-shadow: var(--shadow); overflow: auto; }
  dialog::backdrop { background: #0b0d0c80; backdrop-filter: blur(2px); }
  dialog h2 { font-size: 1.2rem; margin-bottom: .5rem; }
  dialog p + p, dialog ul { margin-top: .6rem; }
  dialog ul.list { padding-left: 1.1rem; list-style: disc; }
  dialog .choices { display: grid; gap: .5rem; margin-top: .9rem; }
  dialog .choices label { display: grid; grid-template-columns: auto 1fr; gap: 0 .7rem; align-items: center; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: .7rem; cursor: pointer; min-height: 2.75rem; }
  dialog .choices label:has(:checked) { border-color: var(--accent); background: var(--accent-soft); }
  dialog .choices small { grid-column: 2; color: var(--muted); }
  dialog footer { display: flex; gap: .6rem; justify-content: end; margin-top: 1.3rem; flex-wrap: wrap; }
  progress { width: 100%; height: .6rem; accent-color: var(--accent); }
  .toasts { position: fixed; inset: auto .75rem calc(.75rem + env(safe-area-inset-bottom)); z-index: 10; display: grid; gap: .5rem; justify-items: center; pointer-events: none; }
  .toast { pointer-events: auto; background: var(--ink); color: var(--bg); border-radius: var(--r); padding: .5rem .6rem .5rem 1rem; display: flex; align-items: center; gap: .6rem; max-width: min(36rem, 100%); box-shadow: var(--shadow); }
  .toast.bad { background: var(--deleting); color: var(--surface); }
  .toast button { background: transparent; color: inherit; border-color: color-mix(in srgb, currentColor 45%, transparent); }
  .toast :focus-visible { outline-color: currentColor; }

  /* Overview */
  .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 10.5rem), 1fr)); gap: .75rem; }
  figure.card, form.card { margin-top: .75rem; }
  .tile { background: var(--surface); border: 1px solid var(--line); border-radius: var(--r); padding: .85rem 1rem; }
  .tile dt { color: var(--muted); font-size: .85rem; }
  .tile dd { font-size: 1.75rem; line-height: 1.2; font-weight: 650; letter-spacing: -.02em; }
  .tile small { color: var(--muted); display: block; font-size: .85rem; font-weight: 400; letter-spacing: 0; line-height: 1.4; min-height: 1.4em; }
  .tile.warn dd { color: var(--deleting); }
  .legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin-top: .6rem; font-size: .9rem; }
  .legend li { display: flex; align-items: center; gap: .45rem; }
  .legend i { width: .75rem; height: .75rem; border-radius: .2rem; background: var(--c); }
  .pad { padding: 1rem 1.1rem; }
  .axis { display: flex; justify-content: space-between; color: var(--muted); font-size: .75rem; }
  .week { display: grid; grid-template-columns: auto 1fr; gap: 0 .6rem; }
  .week li { height: 18px; font-size: .75rem; line-height: 18px; color: var(--muted); }
  .week .axis { grid-column: 2; }
  .fields { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 12rem), 1fr)); gap: .75rem; align-items: end; margin-top: .9rem; }
  .fields.three { grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); }
  .fields .wide { grid-column: 1 / -1; }
  .result { border-top: 1px solid var(--line); margin-top: 1.1rem; padding-top: 1.1rem; display: grid; gap: .8rem; }
  .result > strong { font-size: 1.15rem; letter-spacing: -.01em; }
  .result ul.list { padding-left: 1.1rem; list-style: disc; }
  .acts.below { margin-top: 1rem; }
  details.card { margin-top: .75rem; }
  .acts.start { justify-content: start; flex-wrap: wrap; }
  table { width: 100%; border-collapse: collapse; font-size: .92rem; }
  th, td { text-align: start; padding: .6rem .9rem; vertical-align: top; }
  th { font-weight: 600; color: var(--muted); font-size: .82rem; }
  tbody tr { border-top: 1px solid var(--line); }
  .day { padding: .55rem .9rem; font-weight: 600; font-size: .85rem; color: var(--muted); background: var(--raised); border-bottom: 1px solid var(--line); }
  .day:not(:first-child) { border-top: 1px solid var(--line); }
  .entry { display: grid; grid-template-columns: 4.5rem minmax(0, 1fr); gap: .2rem .8rem; padding: .65rem .9rem; }
  .entry + .entry { border-top: 1px solid var(--line); }
  .entry time { color: var(--muted); font-size: .9rem; white-space: nowrap; }
  details summary { cursor: pointer; color: var(--accent); min-height: 1.6rem; }
  .scroll { overflow-x: auto; }
  .figures { width: auto; } .figures th, .figures td { text-align: end; padding-inline: .5rem; } .figures tbody th { text-align: start; }

  @media (min-width: 64.01rem) {
    .row:has(> .acts) { grid-template-columns: auto auto minmax(0, 1fr) minmax(0, 18.5rem) minmax(auto, 25rem); }
    .row.plain:has(> .acts) { grid-template-columns: auto minmax(0, 1fr) auto; }
    .row > .acts button { padding-inline: .5rem; font-size: .95rem; }
  }
  @media (max-width: 64rem) {
    .bar { flex-wrap: wrap; gap: .25rem .5rem; padding-bottom: .35rem; }
    nav { order: 9; flex-basis: 100%; }
    .row { grid-template-columns: auto auto minmax(0, 1fr) auto; }
    .row .state { grid-column: 3; grid-row: 2; }
    .row .acts { grid-column: 3 / -1; grid-row: 3; justify-content: start; flex-wrap: wrap; margin-top: .3rem; }
    .row .acts button { min-height: 2.75rem; }
    .row.plain { grid-template-columns: auto minmax(0, 1fr) auto; }
    .row.plain .acts { grid-column: 2 / -1; grid-row: 2; }
  }
  @media (max-width: 42rem) {
    button, .button, input:not([type="checkbox"], [type="radio"]), select { min-height: 2.75rem; }
    button.icon { min-width: 2.75rem; }
    nav { position: fixed; inset: auto 0 0; z-index: 6; background: var(--surface); border-top: 1px solid var(--line); padding-bottom: env(safe-area-inset-bottom); }
    nav ul { justify-content: space-around; }
    :host([asking]) nav, :host([asking]) .toasts { visibility: hidden; }
    nav li { flex: 1; }
    nav a { flex-direction: column; gap: .1rem; font-size: .72rem; padding: .45rem .2rem; border-radius: 0; min-height: 3.25rem; justify-content: center; text-align: center; line-height: 1.15; }
    nav a[aria-current] { box-shadow: inset 0 3px var(--accent); background: transparent; }
    header { position: static; backdrop-filter: none; }
    .bar { flex-wrap: nowrap; gap: .1rem; }
    .tiles { grid-template-columns: 1fr 1fr; gap: .6rem; }
    .tile { padding: .7rem .8rem; }
    .tile:last-child:nth-child(odd) { grid-column: 1 / -1; }
    .acts.start > * { white-space: normal; }
    .soon li .acts svg { display: none; }
    .soon li .acts { gap: .35rem; margin-inline-start: 0; }
    .soon li .acts button { font-size: 1rem; }
    .acts .ghost { background: var(--raised); border-color: var(--line); padding-inline: .4rem; }
    .toasts { bottom: calc(4.25rem + env(safe-area-inset-bottom)); }
    .bulk { bottom: calc(4.25rem + env(safe-area-inset-bottom)); }
    .row { grid-template-columns: auto minmax(0, 1fr) auto; gap: .25rem .7rem; padding: .75rem; }
    .row .pick { grid-column: 3; grid-row: 1; min-width: 2.75rem; margin: -.3rem -.4rem 0 0; align-self: start; }
    .row .ring { grid-column: 1; grid-row: 1 / 3; align-self: start; margin-top: .3rem; }
    .row .what { grid-column: 2; grid-row: 1; }
    .row .state { grid-column: 2 / 4; grid-row: 2; }
    .row .acts { grid-column: 1 / -1; grid-row: 3; justify-content: stretch; margin-top: .4rem; }
    .row .acts button, .soon li .acts button { flex: 1 0 auto; }
    .row .acts button svg { display: none; }
    .row.plain .acts { grid-column: 1 / -1; grid-row: 2; }
    .row.split { grid-template-columns: minmax(0, 1fr) auto; } .row.split > :nth-child(2) { grid-column: 1 / -1; grid-row: 2; } .row.split .what { grid-column: 1; }
    .row.split a { min-height: 2.75rem; display: inline-flex; align-items: center; }
    .pulse span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    dialog { margin: auto auto 0; width: 100%; max-width: 100%; border-radius: 1.1rem 1.1rem 0 0; padding-bottom: calc(1.4rem + env(safe-area-inset-bottom)); }
    dialog footer > * { flex: 1; }
    .tools label.field { flex: 1 1 8rem; }
    table, tbody, tr, td { display: block; }
    thead { position: absolute; clip-path: inset(50%); }
    tr { padding: .55rem 0; }
    td { padding: .1rem .9rem; }
    .figures { display: table; } .figures thead { display: table-header-group; position: static; clip-path: none; }
    .figures tbody { display: table-row-group; } .figures tr { display: table-row; } .figures td { display: table-cell; }
  }
  @media (prefers-reduced-motion: reduce) { *, *::before, *::after { animation: none !important; transition: none !important; } }
  @media (forced-colors: active) {
    .pill, .card, .tile, .soon li, .toast, .bulk { border: 1px solid CanvasText; }
    nav a[aria-current] { outline: 2px solid Highlight; }
    .legend i { forced-color-adjust: none; }
    .ring { color: CanvasText; } .ring .track { stroke: GrayText; }
  }
`;
