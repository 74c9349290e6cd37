// Starts the official Bluesky data server and directory on loopback, prints their
// addresses as one JSON line, and ends when its standard input closes or on SIGTERM.
import { TestNetworkNoAppView } from '@atproto/dev-env'

const network = await TestNetworkNoAppView.create({ pds: { hostname: 'localhost' } })
console.log(JSON.stringify({ pds: network.pds.url, plc: network.plc.url }))

let ending = false
const end = async () => {
  if (ending) return
  ending = true
  await network.close()
  process.exit(0)
}
process.on('SIGTERM', end)
process.on('SIGINT', end)
process.stdin.resume()
process.stdin.on('end', end)
