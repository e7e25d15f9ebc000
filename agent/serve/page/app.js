// The page works without this file: stores are links to plain listings. Here they open as a tree, and what runs is shown.
'use strict'

const byId = id => document.getElementById(id)

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

function size(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let i = 0
  while (bytes >= 1024 && i < units.length - 1) {
    bytes /= 1024
    i++
  }
  return `${i === 0 ? bytes : bytes.toFixed(1)} ${units[i]}`
}

async function get(path) {
  const answer = await fetch(path, { headers: { Accept: 'application/json' } })
  if (!answer.ok) {
    throw new Error((await answer.text()).trim() || answer.statusText)
  }
  return answer.json()
}

const encoded = name => name.split('/').map(encodeURIComponent).join('/')

// --- the tree ---

function sideLink(href, text, label) {
  const link = element('a', { className: 'side', href, textContent: text })
  link.setAttribute('aria-label', label)
  return link
}

function fileRow(base, entry) {
  const href = base + encoded(entry.name)
  const row = element('li', { className: 'file' }, element('a', { href: `${href}?download`, textContent: entry.name }),
    element('span', { className: 'faint', textContent: ` ${size(entry.size_bytes)}` }))
  if (/\.(tar|tar\.gz|tgz|tar\.zst|tzst|zip)$/.test(entry.name)) {
    row.append(sideLink(`${href}?members`, 'contents', `contents of ${entry.name}`))
  }
  return row
}

async function fill(list, base, after) {
  const page = await get(`${base}?format=json${after ? `&after=${encodeURIComponent(after)}` : ''}`)
  for (const entry of page.entries) {
    list.append(entry.directory ? folder(base + encoded(entry.name), entry.name) : fileRow(base, entry))
  }
  if (!list.children.length) {
    list.append(element('li', { className: 'faint', textContent: 'empty' }))
  }
  if (page.next) {
    const more = element('button', { type: 'button', textContent: 'more' })
    const row = element('li', {}, more)
    more.addEventListener('click', async () => {
      row.remove()
      await fill(list, base, page.next)
    })
    list.append(row)
  }
}

function opener(row, base) {
  const button = element('button', { type: 'button', textContent: '▸' })
  let list = null
  button.setAttribute('aria-expanded', 'false')
  button.setAttribute('aria-label', `open ${decodeURIComponent(base)}`)
  button.addEventListener('click', async () => {
    const open = button.getAttribute('aria-expanded') !== 'true'
    button.setAttribute('aria-expanded', String(open))
    button.textContent = open ? '▾' : '▸'
    if (list === null) {
      list = element('ul', {})
      row.append(list)
      try {
        await fill(list, base)
      } catch (error) {
        list.append(element('li', { textContent: error.message }))
      }
    }
    list.hidden = !open
  })
  return button
}

function folder(base, name) {
  const row = element('li', {}, element('a', { href: base, textContent: name }),
    sideLink(`${base}?archive=tar.gz`, 'tar.gz', `all of ${name} as tar.gz`))
  row.prepend(opener(row, base))
  return row
}

// --- what runs ---

function table(heads, rows) {
  const cells = (kind, texts) => element('tr', {}, ...texts.map(text => element(kind, {}, text)))
  return element('table', {}, element('thead', {}, cells('th', heads)),
    element('tbody', {}, ...rows.map(row => cells('td', row))))
}

function bar(done, all) {
  return all ? element('progress', { max: all, value: done, title: `${size(done)} of ${size(all)}` }) : size(done)
}

function show(id, rows, made) {
  byId(`${id}-s`).hidden = rows.length === 0
  byId(id).replaceChildren(...(rows.length ? [made()] : []))
}

// --- reclaims: a line of time, what comes first on top ---

function span(seconds) {
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]]
  const [name, unit] = units.find(([, length]) => Math.abs(seconds) >= length) ?? units[3]
  return `${Math.round(seconds / unit)} ${name}`
}

// The list is drawn anew after a click: who works by keyboard goes on at the same row.
function focusRow(row) {
  const buttons = [...byId('reclaims').querySelectorAll('button'), ...byId('holds').querySelectorAll('button')]
  const same = buttons.find(one => one.dataset.row === row) ?? buttons[0]
  same?.focus()
}

function button(verb, url, row = url) {
  const made = element('button', { type: 'button', textContent: verb })
  made.setAttribute('aria-label', `${verb} ${url}`)
  made.dataset.row = row
  made.addEventListener('click', async () => {
    made.disabled = true
    try {
      const answer = await fetch(`/api/${verb}?url=${encodeURIComponent(url)}`,
        { method: 'POST', headers: { 'X-Purser-Page': '1' } })
      byId('said').textContent = answer.ok ? `${verb}: ${url}` : (await answer.text()).trim()
      await refreshReclaims()
    } catch (error) {
      byId('said').textContent = error.message
      made.disabled = false
    }
    focusRow(row)
  })
  return made
}

function reclaimRow(reclaim, now, last) {
  const left = reclaim.due_unix_s - now
  const due = element('span', { textContent: left > 0 ? `in ${span(left)}` : 'due' })
  due.title = new Date(reclaim.due_unix_s * 1000).toISOString()
  const line = element('meter', { min: 0, max: Math.max(1, last - now), value: Math.max(0, left) })
  line.setAttribute('aria-hidden', 'true')
  const what = element('span', { textContent: `${reclaim.action} ${reclaim.url}` })
  what.append(element('div', { className: 'faint', textContent: `${reclaim.policy}: ${reclaim.reason}` }))
  if (reclaim.held) {
    what.append(element('div', { className: 'held', textContent: `on hold ${until(reclaim.hold_until)}: ${holdReason(reclaim)}` }))
  }
  const buttons = element('span', { className: 'buttons' })
  // What a prefix holds is released with all below it: the button's name says so.
  buttons.append(
    reclaim.held ? button('release', reclaim.hold_url, reclaim.url) : button('hold', reclaim.url),
    button('cancel', reclaim.url))
  return [element('span', {}, due, line), what, buttons]
}

const until = time => time ? `until ${time.slice(0, 16).replace('T', ' ')}` : 'until it is released'

function holdReason(reclaim) {
  return reclaim.hold_url === reclaim.url ? reclaim.hold_why : `${reclaim.hold_why}, with all of ${reclaim.hold_url}`
}

function holdRow(hold) {
  const what = element('span', { textContent: hold.url })
  what.append(element('div', { className: 'faint', textContent: `${until(hold.until)}: ${hold.why}` }))
  const buttons = element('span', { className: 'buttons' })
  buttons.append(button('release', hold.url))
  return [what, buttons]
}

function decisionRow(decision) {
  const what = element('span', { textContent: `${decision.what} ${decision.url}` })
  what.append(element('div', { className: 'faint', textContent: `${decision.policy} ${decision.where} ${decision.reason}` }))
  return [new Date(decision.at_unix_ms).toISOString().slice(0, 19).replace('T', ' '), what]
}

async function refreshReclaims() {
  const { reclaims } = await get('/api/reclaims')
  const now = Date.now() / 1000
  const last = reclaims.length ? reclaims[reclaims.length - 1].due_unix_s : now
  show('reclaims', reclaims, () => table(['Due', 'What', ''], reclaims.map(r => reclaimRow(r, now, last))))
  const { holds } = await get('/api/holds')
  show('holds', holds, () => table(['What', ''], holds.map(holdRow)))
  const { decisions } = await get('/api/decisions?limit=100')
  show('decisions', decisions, () => table(['At (UTC)', 'What'], decisions.map(decisionRow)))
}

async function refresh() {
  try {
    const { streams } = await get('/api/streams')
    show('streams', streams, () => table(['Artifact', 'Sent', 'By'],
      streams.map(s => [`${s.store}/${s.key}`, bar(s.sent_bytes, s.size_bytes), s.subject])))
    const { uploads } = await get('/api/uploads')
    show('uploads', uploads, () => table(['Target', 'Done', 'State'],
      uploads.map(u => [u.url, bar(u.done_bytes, u.size_bytes), u.running ? 'running' : `interrupted (${u.state})`])))
    if (!['reclaims', 'holds'].some(id => byId(id).contains(document.activeElement))) {
      await refreshReclaims() // not under somebody's fingers
    }
    const status = await get('/api/status')
    byId('status').textContent = `purser ${status.version}, policies ${status.policy_digest || 'built-in'}, ` +
      `${size(status.gateway.sent_bytes)} sent`
  } catch (error) {
    byId('status').textContent = error.message
  }
}

for (const row of byId('stores').querySelectorAll('li')) {
  row.prepend(opener(row, row.querySelector('a').getAttribute('href')))
}
refresh()
setInterval(() => document.hidden || refresh(), 3000)
