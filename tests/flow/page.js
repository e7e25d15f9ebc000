// The gateway's page in a real browser. Usage: node page.js URL TOKEN SHA256; playwright-core by NODE_PATH.
'use strict'
const assert = require('node:assert')
const crypto = require('node:crypto')
const fs = require('node:fs')
const { chromium } = require('playwright-core')

const [url, token, expected] = process.argv.slice(2)
const httpCredentials = { username: 'me', password: token }

async function fetched(page, link) {
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()])
  const data = fs.readFileSync(await download.path())
  return { name: download.suggestedFilename(), sha256: crypto.createHash('sha256').update(data).digest('hex') }
}

// What is on hold says so, and has a button that ends just that; the lists follow.
async function holdAndRelease(page) {
  const row = page.locator('#reclaims tr').filter({ hasText: '/gc/later' })
  await row.getByRole('button', { name: /^hold .*later$/ }).click()
  await row.getByText(/^on hold until it is released: by token:/).waitFor()
  await page.getByRole('status').getByText(/^hold: .*later$/).waitFor()
  assert.strictEqual(await row.getByRole('button', { name: /^hold / }).count(), 0)
  await page.locator('#holds').getByText('/gc/later').waitFor()
  await row.getByRole('button', { name: /^release .*later$/ }).click()
  await row.getByRole('button', { name: /^hold .*later$/ }).waitFor()
  assert.strictEqual(await row.getByText('on hold').count(), 0)
  await page.locator('#holds').getByText('/gc/later').waitFor({ state: 'detached' })
  // One that a prefix holds is released with it, and is told so.
  const below = page.locator('#reclaims tr').filter({ hasText: '/below/a' })
  await below.getByText(/with all of .*\/below\/$/).waitFor()
  assert.strictEqual(await below.getByRole('button', { name: /^release .*\/below\/$/ }).count(), 1)
}

async function withScripts(browser) {
  const context = await browser.newContext({ httpCredentials, acceptDownloads: true })
  const page = await context.newPage()
  const asked = []
  const errors = []
  page.on('request', request => asked.push(request.url()))
  page.on('pageerror', error => errors.push(error.message))
  page.on('console', message => message.type() === 'error' && !message.text().includes('401') && errors.push(message.text()))
  await page.goto(url)
  try {
    await page.getByRole('button', { name: 'open /a/main/', exact: true }).click({ timeout: 5000 })
  } catch (error) {
    console.log(errors, await page.content())
    throw error
  }
  await page.getByRole('button', { name: 'open /a/main/dir/' }).click()
  const got = await fetched(page, page.getByRole('link', { name: 'big \u00e9.bin' }))
  assert.strictEqual(got.sha256, expected)
  assert.strictEqual(got.name, 'big \u00e9.bin')
  const archive = await fetched(page, page.getByRole('link', { name: 'all of dir/ as tar.gz' }))
  assert.strictEqual(archive.name, 'dir.tar.gz')
  await page.getByText('in 7 d').first().waitFor()
  await holdAndRelease(page)
  await page.getByRole('button', { name: /^cancel .*later/ }).click()
  await page.getByText(/^cancel: .*later/).waitFor()
  await page.getByText('cancelled').or(page.getByText('by token:')).first().waitFor()
  assert.deepStrictEqual(errors, [])
  assert.ok(asked.every(one => one.startsWith(url)), `asked elsewhere: ${asked}`)
  console.log('page: tree opened, download clicked and compared, a reclaim held, released, cancelled, nothing asked elsewhere')
  await context.close()
}

async function byKeyboard(browser) {
  const context = await browser.newContext({ httpCredentials })
  const page = await context.newPage()
  await page.goto(url)
  await page.getByRole('button', { name: 'open /a/main/' }).waitFor()
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(() => document.activeElement.getAttribute('aria-label') === 'open /a/main/')) {
      break
    }
  }
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'open /a/main/dir/' }).waitFor()
  // Hold and release without a mouse: the focus stays at the row, on the button that undoes it.
  await page.getByRole('button', { name: /^hold .*\/gc\/keys$/ }).focus()
  for (const verb of ['release', 'hold', 'release']) {
    await page.keyboard.press('Enter')
    await page.locator(`button[aria-label^="${verb} "][aria-label$="/gc/keys"]:focus`).waitFor()
  }
  console.log('page: opened by keyboard alone')
  await context.close()
}

async function onAPhone(browser) {
  const context = await browser.newContext({ httpCredentials, viewport: { width: 320, height: 640 } })
  const page = await context.newPage()
  for (const path of ['', 'a/main/', 'a/main/dir/']) {
    await page.goto(url + path)
    await page.waitForLoadState('networkidle')
    if (path === '') {
      await page.locator('#reclaims').getByText('on hold').first().waitFor()
    }
    const [inner, all] = await page.evaluate(() => [window.innerWidth, document.documentElement.scrollWidth])
    assert.ok(all <= inner, `${path}: ${all} wide on ${inner}`)
  }
  console.log('page: fits 320 pixels')
  await context.close()
}

async function withoutScripts(browser) {
  const context = await browser.newContext({ httpCredentials, javaScriptEnabled: false, acceptDownloads: true })
  const page = await context.newPage()
  await page.goto(url)
  await page.getByRole('link', { name: 'main' }).click()
  await page.getByRole('link', { name: 'dir/' }).click()
  const got = await fetched(page, page.getByRole('link', { name: 'big \u00e9.bin' }))
  assert.strictEqual(got.sha256, expected)
  console.log('page: listed and downloaded without scripts')
  await context.close()
}

async function main() {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  try {
    for (const test of [withScripts, byKeyboard, onAPhone, withoutScripts]) {
      await test(browser)
    }
  } finally {
    await browser.close()
  }
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
