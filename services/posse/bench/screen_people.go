package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
)

// Names as a chain of shops has them: a few are common and most are not. Those who
// have one of the last are all asleep.
var (
	givenNames = strings.Fields(`Maria Anna Thomas Peter Sofia Lukas Emma Jan Paul Laura Ben Mia David Elena Felix Ida Omar Julia
		Noah Clara Hugo Nora Ali Eva Ivo Greta Max Lena Tim Zoë Åsa Łukasz Đorđe İpek Владимир Σίσυφος Xu Quy`)
	familyNames = strings.Fields(`Müller Smith García Nguyen Rossi Dubois Kowalski Jensen Novák Silva Andersson Fischer Haddad
		Öztürk Weiß O'Brien Popescu Horvat Kim-Lee Virtanen Papadopoulos Иванов Schwarzenegger Yıldız Qvist Ŝan`)
	asleepNames = strings.Fields(`김민준 이서연 박지후 최하은 정도윤 한예지`)
)

// typed are filters as somebody types them: common, rare and absent ones, of every
// script and of none.
var typed = []string{
	"maria", "anna g", "schwar", "xuqv", "zoë", "weiß", "o'brie", "김민준", "σίσυφο", "иванов",
	"4711", "#69", "till-9", "-", ".", "%", "@", "qq", "zzzzzz", "한",
}

// keystrokes are what is in the field after each.
func keystrokes() []string {
	var filters []string
	for _, word := range typed {
		characters := []rune(word)
		for i := range characters {
			filters = append(filters, string(characters[:i+1]))
		}
	}
	return filters
}

// personLogin is a login of a user at some time of the last two days; i makes its
// ids unique.
func personLogin(now time.Time, user, i int) events.Envelope {
	who, random := personOf(user), rand.New(rand.NewPCG(2, uint64(i)))
	age := time.Duration(random.Int64N(int64(48 * time.Hour)))
	if who.asleep {
		age += 48 * time.Hour
	}
	envelope := loginOf(i, history{}.user(user), now.Add(-age))
	login, _ := envelope.Event.(events.LoggedIn)
	login.Personal.Username, login.Personal.DisplayName = who.username, who.displayName
	envelope.Event = login
	return envelope
}

// person is who a user is.
type person struct {
	username, displayName string
	asleep                bool
}

func personOf(user int) person {
	random := rand.New(rand.NewPCG(1, uint64(user)))
	pick := func(names []string) string { // the first are the most common
		x := random.Float64()
		return names[int(x*x*float64(len(names)))]
	}
	switch kind := random.IntN(100); {
	case kind < 5:
		name := pick(asleepNames)
		return person{name + strconv.Itoa(user), name, true}
	case kind < 15:
		return person{fmt.Sprintf("till-%d", user), fmt.Sprintf("Till %d, branch #%d", user, user%700), false}
	default:
		given, family := pick(givenNames), pick(familyNames)
		return person{strings.ToLower(given+"."+family) + strconv.Itoa(random.IntN(1000)), given + " " + family, false}
	}
}
