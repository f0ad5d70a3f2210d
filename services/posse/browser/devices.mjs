// What devices say of themselves when somebody signs in on them.

export const ipad = {
  platform: 'ios', app_version: '1.8.1', build: '231',
  personal: {
    device_label: 'Till 3', ip: '203.0.113.43',
    user_agent: 'WCPOS/1.8.1 (ios; build 231)', client_hints: { 'Sec-CH-UA-Model': '"iPad13,18"' },
  },
};

export const android = {
  platform: 'android', app_version: '1.8.1', build: '231',
  personal: {
    device_label: 'Market stall', ip: '198.51.100.140',
    user_agent: 'WCPOS/1.8.1 (android; build 231)', client_hints: { 'Sec-CH-UA-Model': '"SM-A556B"' },
  },
};

export const electron = {
  platform: 'electron', app_version: '1.8.0',
  personal: {
    device_label: 'Counter PC', ip: '203.0.113.22',
    user_agent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) '
      + 'WCPOS/1.8.0 Chrome/134.0.6998.205 Electron/35.3.0 Safari/537.36',
  },
};

export const firefox = {
  personal: {
    ip: '2001:db8:4a7:1::90',
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  },
};

export const phone = {
  personal: {
    device_label: 'Manager’s phone', ip: '198.51.100.77',
    user_agent: 'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36',
    client_hints: { 'Sec-CH-UA-Model': '"Pixel 9"' },
  },
};

/** nameless says nothing of itself, not even where it is. */
export const nameless = { personal: {} };

const emoji = '\u{1F469}\u200D\u{1F52C}'; // 11 bytes: a woman scientist, joined by U+200D

/** hostile is a device, and a person, who try what strangers try. */
export const hostile = {
  personal: {
    username: '"><svg onload=alert(1)>',
    display_name: '<script>alert(document.cookie)</script>\u202Enimda',
    device_label: '{{.}} <img src=x onerror=alert(1)>',
    ip: '192.0.2.66',
    user_agent: `${emoji.repeat(46)}<b>ha!`, // 512 bytes, as many as may be
  },
};
