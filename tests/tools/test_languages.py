"""A memory in twelve languages: questions as people ask them find the message with the answer."""

# ruff: noqa: RUF001 - letters that look like others are what is tested

from tests.conftest import Person

# For each language a dialogue, and questions with the number of the message that answers them.
DIALOGUES: dict[str, tuple[list[str], dict[str, int]]] = {
    "English": (
        [
            "The boiler made that noise again last night.",
            "Martha called a plumber, he is coming on Thursday morning.",
            "Good. I also paid the deposit for the summer cottage, 240 euros.",
            "Which one did we choose in the end?",
            "The one with the orchard behind the lighthouse.",
        ],
        {"When did the plumber say he comes?": 2, "How much was the deposit of the cottage?": 3},
    ),
    "German": (
        [
            "Der Zahnarzt hat den Termin auf den neunten März verschoben.",
            "Dann können wir vorher noch die Winterreifen wechseln lassen.",
            "Die Werkstatt in der Lindenstraße hat erst nächste Woche wieder Plätze.",
            "Und wer holt die Kinder vom Schwimmkurs ab?",
            "Das macht diesmal meine Schwester.",
        ],
        {"Auf welchen Tag wurde der Zahnarzttermin verschoben?": 1, "Welche Werkstatt wechselt unsere Reifen?": 3},
    ),
    "French": (
        [
            "J'ai réservé une table au restaurant du port pour samedi.",
            "Parfait, ma mère apporte les bougies pour le gâteau.",
            "Il faut encore acheter un cadeau, il aime les livres de cuisine.",
            "La librairie de la gare ferme à dix-neuf heures.",
            "J'y passerai demain après le travail.",
        ],
        {"À quelle heure ferme la librairie ?": 4, "Qui apporte des bougies ?": 2},
    ),
    "Spanish": (
        [
            "El casero dice que la humedad del techo se arregla en junio.",
            "Mientras tanto he puesto un cubo debajo de la gotera.",
            "La vecina del tercero tiene las llaves de repuesto.",
            "¿Y el contrato del gas?",
            "Lo firmé ayer, cuesta treinta euros al mes.",
        ],
        {"¿Qué vecina guarda la llave de repuesto?": 3, "¿Cuánto cuesta el contrato mensual?": 5},
    ),
    "Italian": (
        [
            "Il treno per Bologna parte dal binario sette.",
            "Ho lasciato l'ombrello nell'ufficio di Paolo.",
            "La riunione con i fornitori è spostata a mercoledì.",
            "Porto io i campioni delle stoffe.",
            "Allora io preparo le fatture.",
        ],
        {"Da quale binario parte il treno?": 1, "Quando è la riunione con il fornitore?": 3},
    ),
    "Russian": (
        [
            "Мы посадили яблони за домом, а вишни у забора.",
            "Соседи обещали поливать огород, пока нас нет.",
            "Ключ от сарая лежит под синим горшком.",
            "Билеты на поезд я купил на пятницу.",
            "Тогда вещи соберём в четверг вечером.",
        ],
        {"Где лежит ключ от сарая?": 3, "Кто будет поливать огороды?": 2},
    ),
    "Turkish": (
        [
            "Bahçedeki limon ağacını dün suladım.",
            "Tamirci çamaşır makinesini salı günü getirecek.",
            "Kira sözleşmesini dolabın en üst çekmecesine koydum.",
            "Akşam yemeğine kaç kişi geliyor?",
            "Toplam altı kişiyiz.",
        ],
        {"Kira sözleşmesi nerede, hangi çekmecede?": 3, "Tamirci ne zaman gelecek?": 2},
    ),
    "Arabic": (
        [
            "وضعت جواز السفر في الدرج الأيسر من المكتب.",
            "موعد الطبيب يوم الأحد في الساعة العاشرة.",
            "سيأتي العمال لإصلاح النافذة غدا.",
            "من سيشتري الخبز؟",
            "سأشتريه في طريقي من المدرسة.",
        ],
        {"أين جواز السفر؟": 1, "متى موعد الطبيب؟": 2},
    ),
    "Hindi": (
        [
            "मैंने बिजली का बिल कल ऑनलाइन जमा कर दिया।",
            "नई किताबें अलमारी के ऊपर रखी हैं।",
            "दादी की दवाई सुबह आठ बजे देनी है।",
            "शादी का निमंत्रण किसने भेजा?",
            "चाचा ने भेजा, शादी जयपुर में है।",
        ],
        {"दादी को दवाई कब देनी है?": 3, "बिजली का बिल किसने जमा किया?": 1},
    ),
    "Chinese": (
        [
            "空调维修师傅下周三上午过来。",
            "备用钥匙放在鞋柜的第二个抽屉里。",
            "孩子的钢琴课改到星期六了。",
            "晚饭想吃什么？",
            "做番茄鸡蛋面吧。",
        ],
        {"备用钥匙放在哪里？": 2, "钢琴课改到什么时候？": 3},
    ),
    "Japanese": (
        [
            "冷蔵庫の修理は来週の水曜日に来るそうです。",
            "予備の鍵は靴箱の引き出しに入れました。",
            "町内会の会費は三千円でした。",
            "明日の昼ご飯はどうしますか。",
            "駅前のそば屋に行きましょう。",
        ],
        {"予備の鍵はどこですか？": 2, "町内会の会費はいくら？": 3},
    ),
    "Korean": (
        [
            "보일러 수리 기사님이 목요일 오전에 오신대요.",
            "여권은 책상 왼쪽 서랍에 넣어 두었어요.",
            "관리비는 이번 달에 십이만 원이 나왔어요.",
            "저녁에 뭐 먹을까요?",
            "된장찌개를 끓일게요.",
        ],
        {"여권이 어디에 있어요?": 2, "이번 달 관리비가 얼마예요?": 3},
    ),
}


async def tell_everything(person: Person) -> dict[str, int]:
    """Store all dialogues for one person, and return their conversations by language."""
    chats: dict[str, int] = {}
    for language, (texts, _) in DIALOGUES.items():
        messages = [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(texts)]
        chats[language] = (await person.call("start_conversation", messages=messages))["id"]
    return chats


async def test_questions_find_the_message_with_the_answer(alice: Person) -> None:
    """All among the first three, and nearly all in the first place."""
    chats = await tell_everything(alice)
    ranks: dict[str, int] = {}
    for language, (_, questions) in DIALOGUES.items():
        for question, sequence in questions.items():
            matches = (await alice.call("search_messages", query=question, limit=3, context=0))["matches"]
            places = [(match["conversation_id"], match["sequence"]) for match in matches]
            place = (chats[language], sequence)
            ranks[question] = places.index(place) + 1 if place in places else 99
    assert {question: rank for question, rank in ranks.items() if rank > 3} == {}
    assert list(ranks.values()).count(1) >= 22
