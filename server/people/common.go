package people

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// commonWords are passwords that many people chose, of eight characters and more,
// one a line. See common.LICENSE for where they are from.
//
//go:embed common.txt
var commonWords string

var commonSet = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.Lines(commonWords) {
		set[strings.TrimSpace(word)] = true
	}
	return set
})

// walks are orders in which people press keys or count.
var walks = []string{
	"qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
	"abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "12345678901234567890",
}

// spelled undoes what people replace letters with.
var spelled = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "@", "a", "$", "s", "!", "i", "+", "t")

// common tells passwords that are among the first to be tried: those many people
// have, also with letters replaced, or with a year or a mark after them; keys in
// a row; few characters over and over.
func common(password string) bool {
	lower := strings.ToLower(password)
	bare := strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, form := range []string{lower, spelled.Replace(lower), bare, spelled.Replace(bare)} {
		if commonSet()[form] {
			return true
		}
	}
	return few(lower) || walked(lower) || walked(reversed(lower))
}

// few tells whether there are fewer than four different characters, or one piece
// of at most four repeated.
func few(s string) bool {
	different := map[rune]bool{}
	for _, r := range s {
		different[r] = true
	}
	if len(different) < 4 {
		return true
	}
	for n := 1; n <= 4 && n < len(s); n++ {
		if s == strings.Repeat(s[:n], len(s)/n) {
			return true
		}
	}
	return false
}

// walked tells whether nearly all of s is one walk.
func walked(s string) bool {
	for _, walk := range walks {
		for length := len(s); length >= max(6, len(s)-2); length-- {
			for at := 0; at+length <= len(s); at++ {
				if strings.Contains(walk, s[at:at+length]) {
					return true
				}
			}
		}
	}
	return false
}

func reversed(s string) string {
	runes := []rune(s)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}

// personal tells whether a password is hardly more than what everybody knows of
// its owner, or of this server: without those words, fewer than eight characters
// are left.
func personal(password string, names []string) bool {
	lower := strings.ToLower(password)
	rest := lower
	for _, name := range names {
		for _, word := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if utf8.RuneCountInString(word) >= 4 {
				rest = strings.ReplaceAll(rest, word, "")
			}
		}
	}
	return rest != lower && utf8.RuneCountInString(rest) < ShortestPassword
}
