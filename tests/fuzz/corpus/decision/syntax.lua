return {
  api = 1,,
}
