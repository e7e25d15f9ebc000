return { api = 1, name = 'x',
 uplaod = 1 }
